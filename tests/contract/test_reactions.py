"""What people are written because of what happens to their accounts, on every adapter."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from html import escape
from urllib.parse import parse_qs, urlsplit
from uuid import uuid5

import msgspec
import pytest

from shared.event_log import Metadata, UnknownEvent
from tests.support.patience import until
from write_side.adapters.memory import MemoryMailer
from write_side.domain.email_token import TokenNotGood
from write_side.reactions.deliverer import Deliverer
from write_side.reactions.limits import ReactionLimits
from write_side.reactions.registry import REACTIONS, ReactionTimes, reactions_at
from write_side.reactions.scheduler import EventNotKnown, Scheduler


class ListedEvents:
    """A reader of a log that a test wrote."""

    def __init__(self, events) -> None:
        self._events = events

    async def read(self, *, after: int, limit: int):
        return [each for each in self._events if each.position > after][:limit]


def link_in(mail) -> str:
    [link] = re.findall(r"^https://\S+$", mail.text, re.MULTILINE)
    return link


def token_in(mail) -> str:
    link = link_in(mail)
    assert f'href="{escape(link)}"' in mail.html
    [token] = parse_qs(urlsplit(link).query)["token"]
    return token


async def test_new_people_are_asked_to_verify_their_address(reacting):
    await reacting.register(email="andre@carson.example")

    [mail] = await reacting.react()

    assert (mail.to, mail.locale) == ("andre@carson.example", "en")
    await reacting.side.run("verify-email", token=token_in(mail))


async def test_a_link_expires(reacting):
    await reacting.register()
    [mail] = await reacting.react()
    reacting.side.clock.advance(timedelta(days=7))

    with pytest.raises(TokenNotGood):
        await reacting.side.run("verify-email", token=token_in(mail))


async def test_mails_are_written_in_the_language_of_the_profile(reacting):
    """Or in English, if it is none of ours."""
    await reacting.register("anna", locale="de-CH")
    await reacting.register("bela", locale="hu")

    mails = await reacting.react()
    subjects = {mail.to: mail.subject for mail in mails}
    links = {mail.to: parse_qs(urlsplit(link_in(mail)).query)["locale"] for mail in mails}

    assert subjects == {
        "anna@example.org": "Bestätigen Sie Ihre E-Mail-Adresse",
        "bela@example.org": "Confirm your e-mail address",
    }
    assert links == {"anna@example.org": ["de"], "bela@example.org": ["en"]}


async def test_a_new_address_is_asked_and_the_former_one_is_notified(reacting):
    """Nothing about the new one is said at the former."""
    andre = await reacting.register()
    await reacting.react()
    await reacting.side.run("change-email", account=str(andre), email="new@example.org")

    _, asked, notice = await reacting.react()

    assert (asked.to, notice.to) == ("new@example.org", "andre@example.org")
    assert notice.subject == "The e-mail address of your account has changed"
    assert "new@example.org" not in notice.text + notice.html
    await reacting.side.run("verify-email", token=token_in(asked))


@pytest.mark.parametrize(("command", "subject"), [("suspend", "is suspended"), ("close", "is closed")])
async def test_people_are_notified_of_suspension_and_closing(reacting, command, subject):
    """Why it was done may be for the directory's own people alone."""
    andre = await reacting.register()
    await reacting.react()
    await reacting.side.run(f"{command}-account", account=str(andre), reason="a secret")

    *_, notice = await reacting.react()

    assert notice.subject == f"Your account {subject}"
    assert "secret" not in notice.text + notice.html


async def test_what_has_changed_since_is_no_mail_any_more(reacting):
    """An address that was changed before it was asked, a suspension that is over, an address that is verified."""
    andre = await reacting.register()
    await reacting.side.run("change-email", account=str(andre), email="new@example.org")
    await reacting.side.run("suspend-account", account=str(andre))
    await reacting.side.run("reinstate-account", account=str(andre))
    bob = await reacting.register("bob")
    await reacting.side.run("verify-email", token=reacting.side.token(bob, "bob@example.org"))

    mails = await reacting.react()

    assert [mail.to for mail in mails] == ["new@example.org", "andre@example.org"]
    assert await reacting.left() == []


async def test_people_who_were_erased_meanwhile_get_nothing(reacting):
    """Neither at the address that they had, nor at the one before, which is in the log no more."""
    andre = await reacting.register()
    await reacting.side.run("change-email", account=str(andre), email="new@example.org")
    await reacting.side.run("suspend-account", account=str(andre))
    await reacting.schedule()
    await reacting.side.run("erase-account", account=str(andre))

    mails = await reacting.react()

    assert mails == []
    assert await reacting.left() == []


async def test_a_delivery_holds_nothing_personal_and_nothing_secret(reacting):
    andre = await reacting.register(display_name="André Carson")
    await reacting.side.run("change-email", account=str(andre), email="new@example.org")
    reacting.mailer.available = False

    await reacting.react()

    kept = repr(await reacting.left())
    assert "unavailable" in kept
    assert not any(word in kept for word in ("example.org", "Carson", "token"))


async def test_a_mail_has_an_id_that_is_made_of_the_events(reacting):
    """It is the same whenever the mail is sent; positions come back when a database is restored."""
    await reacting.register()
    [registered, _] = await reacting.side.events()

    [mail] = await reacting.react()

    assert mail.id == uuid5(registered.event_id, "send-verification-mail")


async def test_events_are_scheduled_for_once(reacting):
    await reacting.register()

    for _ in range(3):
        mails = await reacting.react()

    assert len(mails) == 1


async def test_an_event_that_is_not_known_holds_up_what_is_behind_it(reacting):
    """A newer release may have reactions to it."""
    await reacting.register()
    [first, second] = await reacting.side.events()
    newer = msgspec.structs.replace(second, event=UnknownEvent("account-blessed", 1, "it is unknown"))
    behind = msgspec.structs.replace(first, position=3)

    with pytest.raises(EventNotKnown, match="position 2 holds an event of type 'account-blessed'"):
        await Scheduler(reacting.session, ListedEvents([first, newer, behind]), REACTIONS).catch_up(0)

    assert [each.position for each in await reacting.left()] == [1]
    assert await reacting.session.checkpoint() == 1


async def test_events_without_mail_are_passed_over(reacting):
    """Their metadata says so: people who were imported are not written to."""
    await reacting.register()
    origin = Metadata(command="register-account", actor="importer", correlation="", mail=False)
    events = [msgspec.structs.replace(each, metadata=origin) for each in await reacting.side.events()]

    await Scheduler(reacting.session, ListedEvents(events), REACTIONS).catch_up(0)

    assert await reacting.left() == []
    assert await reacting.session.checkpoint() == 2


async def test_what_was_written_to_an_erased_person_is_forgotten(reacting):
    """And what was still to be, or was given up; that of others stays, and so does what comes later."""
    reacting = replace(reacting, reactions=reactions_at(ReactionTimes()), limits=ReactionLimits(attempts=1))
    andre, bela = await reacting.register("andre"), await reacting.register("bela")
    await reacting.react()
    reacting.mailer.available = False
    await reacting.side.run("suspend-account", account=str(andre))
    await reacting.react()
    reacting.mailer.available = True
    before = await reacting.left()

    await reacting.side.run("erase-account", account=str(andre))
    left = await reacting.react()

    assert sorted(each.reaction for each in before if each.account_id == andre) == [
        "notify-of-suspension",
        "remind-to-verify",
    ]
    assert [mail.to for mail in left] == ["bela@example.org"]
    assert {each.account_id for each in await reacting.left()} == {bela}


class HeldMailer(MemoryMailer):
    """Takes no mail until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_take = asyncio.Event(), asyncio.Event()

    async def send(self, mail) -> None:
        self.is_asked.set()
        await self.may_take.wait()
        await super().send(mail)


async def test_what_is_under_way_at_an_erasure_is_forgotten_when_it_is_done(reacting):
    """A reminder too, though it holds up nothing of the account by its order."""
    mailer, at_once = HeldMailer(), reactions_at(ReactionTimes(reminder=timedelta(0)))
    reactions = [each for each in at_once if each.name in {"remind-to-verify", "forget-mails"}]
    reacting = replace(reacting, mailer=mailer, reactions=reactions)
    deliverer = Deliverer(reacting.world(reacting.session), reactions)
    andre = await reacting.register()
    await reacting.schedule()
    await deliverer.take_up()
    await mailer.is_asked.wait()

    await reacting.side.run("erase-account", account=str(andre))
    await reacting.schedule()
    settling = asyncio.create_task(deliverer.settle())
    for _ in range(20):  # time for what does not wait
        await reacting.session.counts()
        await asyncio.sleep(0)
    mailer.may_take.set()
    await settling

    assert (mailer.sent, await reacting.left()) == ([], [])


async def test_mails_are_forgotten_while_the_mail_server_hangs(reacting):
    """However many wait: those of the person, which were deferred, and those of others, which take all its permits."""
    reacting = replace(reacting, mailer=HeldMailer(), limits=ReactionLimits(at_once=1, ahead=2))
    andre = await reacting.register("andre")
    reacting.mailer.available = False
    reacting.mailer.may_take.set()
    await reacting.react()
    reacting.mailer.may_take.clear()
    for number in range(3):
        await reacting.register(f"other{number}")
    await reacting.side.run("erase-account", account=str(andre))
    await reacting.schedule()
    deliverer = Deliverer(reacting.world(reacting.session), REACTIONS, limits=reacting.limits)

    delivering = asyncio.create_task(deliverer.settle())
    await until(lambda: _has_none_of(andre, reacting))
    waiting = len(await reacting.left())
    delivering.cancel()
    reacting.mailer.may_take.set()
    await asyncio.wait([delivering])

    assert waiting == 3


async def _has_none_of(account, reacting):
    return account not in {each.account_id for each in await reacting.left()}


async def test_mails_are_forgotten_though_none_may_be_sent(reacting):
    """Who erases a person with a client that writes to nobody has forgotten nothing yet."""
    origin = Metadata(command="erase-account", actor="importer", correlation="", mail=False)
    andre = await reacting.register()
    await reacting.react()
    await reacting.side.run("erase-account", account=str(andre))
    erased = [msgspec.structs.replace(each, metadata=origin) for each in await reacting.side.events()]

    await Scheduler(reacting.session, ListedEvents(erased), REACTIONS).catch_up(await reacting.session.checkpoint())
    await reacting.deliver()

    assert reacting.mailer.sent == []
