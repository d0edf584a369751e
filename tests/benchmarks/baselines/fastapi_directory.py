"""
Baseline: the directory as one would write it with FastAPI, SQLAlchemy 2 and PostgreSQL alone.

uvicorn with uvloop and httptools, one worker, a pool of 10 connections. Indexes: primary keys, people by (filed name,
id), memberships by group and by person, GIN on tags and on the words of names, handle and title. No tokens are asked
for. As a program it makes the tables.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, Computed, ForeignKey, Index, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

PAGE = 50


class Base(DeclarativeBase):
    pass


class Group(Base):
    __tablename__ = "groups"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]


class Membership(Base):
    __tablename__ = "memberships"

    group_id: Mapped[UUID] = mapped_column(ForeignKey("groups.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)
    role: Mapped[str]
    group: Mapped[Group] = relationship(lazy="joined", innerjoin=True)


class Person(Base):
    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[str]
    handle_unique: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str]
    email_unique: Mapped[str] = mapped_column(unique=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[str]
    display_name: Mapped[str]
    filed_name: Mapped[str] = mapped_column(Text, Computed("lower(display_name)", persisted=True))
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    title: Mapped[str | None]
    bio: Mapped[str | None]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    picture_url: Mapped[str | None]
    links: Mapped[dict] = mapped_column(JSON)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attributes: Mapped[dict] = mapped_column(JSON)
    version: Mapped[int]
    profile_version: Mapped[int]
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('simple', display_name || ' ' || handle || ' ' || coalesce(title, ''))", persisted=True),
        deferred=True,
    )
    memberships: Mapped[list[Membership]] = relationship()

    __table_args__ = (
        Index("people_by_name", "filed_name", "id"),
        Index("people_by_tag", "tags", postgresql_using="gin"),
        Index("people_by_word", "words", postgresql_using="gin"),
    )


class GroupOfPerson(BaseModel):
    group_id: UUID
    slug: str
    name: str
    role: str


class PersonOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    handle: str
    display_name: str
    given_name: str | None
    family_name: str | None
    title: str | None
    bio: str | None
    email: str
    status: str
    locale: str | None
    time_zone: str | None
    picture_url: str | None
    links: dict[str, str]
    tags: list[str]
    attributes: dict[str, str]
    external_id: str | None
    groups: list[GroupOfPerson]
    version: int
    profile_version: int


class PageOut(BaseModel):
    items: list[PersonOut]
    next_after: str | None


engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=10, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]
WITH_GROUPS = selectinload(Person.memberships)


def shown(person: Person) -> PersonOut:
    groups = [
        GroupOfPerson(group_id=each.group_id, slug=each.group.slug, name=each.group.name, role=each.role)
        for each in person.memberships
    ]
    columns = {name: getattr(person, name) for name in PersonOut.model_fields if name != "groups"}
    return PersonOut(**columns, groups=groups)


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "live"}


@app.get("/profiles/{id}")
async def by_id(id: UUID, session: Session) -> PersonOut:
    person = await session.get(Person, id, options=[WITH_GROUPS])
    if person is None:
        raise HTTPException(404)
    return shown(person)


@app.get("/profiles")
async def listed(
    session: Session,
    group: str | None = None,
    q: str | None = None,
    tag: Annotated[list[str], Query()] = [],  # noqa: B006 - as FastAPI wants it
    after: str | None = None,
) -> PageOut:
    query = select(Person).where(Person.status == "active").order_by(Person.filed_name, Person.id).limit(PAGE + 1)
    if group:
        query = query.join(Membership).join(Group).where(Group.slug == group)
    if tag:
        query = query.where(Person.tags.contains(tag))
    if q:
        query = query.where(Person.words.op("@@")(func.to_tsquery("simple", f"{q}:*")))
    if after:
        query = query.where(Person.filed_name > after)
    people = (await session.scalars(query.options(WITH_GROUPS))).all()
    return PageOut(
        items=[shown(each) for each in people[:PAGE]],
        next_after=people[PAGE - 1].filed_name if len(people) > PAGE else None,
    )


async def make_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(make_tables())
