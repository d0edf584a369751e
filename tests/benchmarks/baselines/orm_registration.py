"""
Baseline: registration with FastAPI and the ORM of SQLAlchemy 2, one transaction a command.

The same rows of state in an account and a profile, unique e-mail addresses, handles and external ids; no events, no
idempotency, no tokens. uvicorn with uvloop and httptools, one worker, a pool of 10 connections. As a program it makes
the tables.
"""

import asyncio
import os
from uuid import UUID, uuid4

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import ARRAY, JSON, ForeignKey, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Profile(Base):
    __tablename__ = "orm_profiles"

    id: Mapped[UUID] = mapped_column(ForeignKey("orm_accounts.id"), primary_key=True)
    version: Mapped[int] = mapped_column()
    display_name: Mapped[str]
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

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy wants it


class Account(Base):
    __tablename__ = "orm_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    email: Mapped[str]
    email_unique: Mapped[str] = mapped_column(unique=True)
    handle: Mapped[str]
    handle_unique: Mapped[str] = mapped_column(unique=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[str]
    profile: Mapped[Profile] = relationship()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy wants it


class Registration(BaseModel):
    email: str
    handle: str
    display_name: str
    external_id: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    title: str | None = None
    bio: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    picture_url: str | None = None
    links: dict[str, str] = {}
    tags: list[str] = []
    attributes: dict[str, str] = {}


class Registered(BaseModel):
    id: UUID
    version: int


engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=10, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
KEYS = {"email", "handle", "external_id"}


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "live"}


@app.post("/commands/register-account")
async def register(command: Registration) -> Registered:
    account = Account(
        id=uuid4(),
        email=command.email,
        email_unique=command.email.lower(),
        handle=command.handle,
        handle_unique=command.handle.lower(),
        external_id=command.external_id,
        status="active",
        profile=Profile(**command.model_dump(exclude=KEYS)),
    )
    try:
        async with sessions.begin() as session:
            session.add(account)
    except IntegrityError as error:
        raise HTTPException(409) from error
    return Registered(id=account.id, version=account.version)


async def make_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(make_tables())
