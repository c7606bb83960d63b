"""Times as people say them, by the clock of who looks."""

import time as clocks
from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from app.news import duration


def zone() -> tzinfo | None:
    """The time zone of the person's browser; None: this machine's."""
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def here(at: float) -> datetime:
    """A Unix time as a date of the person's time zone."""
    return datetime.fromtimestamp(at).astimezone(zone())


def moment(at: float) -> str:
    """22:14, with the day where it is not today."""
    then, now = here(at), here(clocks.time())
    return then.strftime("%H:%M") if then.date() == now.date() else f"{then.day} {then.strftime('%b %H:%M')}"


def since(at: float) -> str:
    return duration(max(clocks.time() - at, 0))


def next_time(clock: time, now: datetime) -> datetime:
    """The next time that clocks where `now` is taken show this."""
    then = datetime.combine(now.date(), clock, now.tzinfo)
    return then if then > now else datetime.combine(now.date() + timedelta(days=1), clock, now.tzinfo)


def last_time(clock: time, now: datetime) -> datetime:
    """The last time that clocks showed this on a day before `now`'s."""
    return datetime.combine(now.date() - timedelta(days=1), clock, now.tzinfo)
