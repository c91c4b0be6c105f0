"""Which cron expressions are read, what they mean, and what is said of those that are refused."""

from datetime import datetime
from typing import Any

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from pumice.agents.cron_grammar import ALIASES, LONGEST_TEXT
from pumice.agents.schedules import Cron, next_dues
from pumice.errors import ScheduleError
from tests.support.crons import utc

SUNDAY = utc("2025-06-01")


@pytest.mark.parametrize(
    ("cron", "same"),
    [
        ("0 0 * jan MON", "0 0 * 1 1"),
        ("\t0 9  * * 1-5 ", "0 9 * * 1-5"),
        ("05 009 * * *", "5 9 * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * fri-mon", "0 0 * * 5,6,0,1"),
        ("0 0 * * mon-sun/3", "0 0 * * 1,4,0"),
        ("0 22-3 * * *", "0 22,23,0,1,2,3 * * *"),
        ("0 22-6/3 * * *", "0 22,1,4 * * *"),
        ("0 0 * apr-jan/3 *", "0 0 * 4,7,10,1 *"),
        ("10/25 0 * * *", "10,35 0 * * *"),
        ("*/60 */24 * * *", "0 0 * * *"),
        ("*,5 0 * * *", "* 0 * * *"),
        ("0 0 * * mon-tue#1", "0 0 * * 1#1,2#1"),
        ("0 0 1-31 * */2", "0 0 * * */2"),
        ("0 0 */1 * mon", "0 0 * * *"),
        ("0 0 * * 7/2", "0 0 * * 0,2,4,6"),
        ("0 0 * * 7-2", "0 0 * * 0-2"),
        ("@DAILY", "0 0 * * *"),
        ("0 0 * * * 0", "0 0 * * *"),
        *((alias, same) for alias, same in ALIASES.items()),
    ],
)
def test_what_means_the_same_is_due_at_the_same_times(cron, same):
    assert next_dues(Cron(cron), SUNDAY, 50) == next_dues(Cron(same), SUNDAY, 50)


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 L * *", ["06-30", "07-31", "08-31"]),
        ("0 0 15,l * *", ["06-15", "06-30", "07-15"]),
        ("0 0 l feb *", ["02-28", "02-28", "02-29"]),
        ("0 0 L * mon", ["06-02", "06-09", "06-16"]),
        ("0 0 * * L5", ["06-27", "07-25", "08-29"]),
        ("0 0 * * L0,l7", ["06-29", "07-27", "08-31"]),
        ("0 0 * * fri#2", ["06-13", "07-11", "08-08"]),
        ("0 0 * * 1#5", ["06-30", "09-29", "12-29"]),
        ("0 0 * * mon#1,L5", ["06-02", "06-27", "07-07"]),
        ("0 0 29 2 *", ["02-29", "02-29", "02-29"]),
        ("0 0 31 * *", ["07-31", "08-31", "10-31"]),
    ],
)
def test_days_of_the_month_and_weekdays(cron, days):
    assert [due.strftime("%m-%d") for due in next_dues(Cron(cron), SUNDAY, 3)] == days


REFUSED: dict[str, tuple[Any, str]] = {
    "a year": ("0 0 1 1 * 0 2027", "year"),
    "random": ("r * * * *", "jitter"),
    "hashed": ("h(0-5) H/2 * * *", "jitter"),
    "a question mark": ("0 9 ? * 1", "`*` says the same"),
    "a nearest weekday": ("0 9 15w * *", "nearest weekday"),
    "a nearest weekday, before": ("0 9 W15 * *", "nearest weekday"),
    "a last weekday, behind": ("0 9 * * 5L", "`L5`"),
    "the last day of the week": ("0 9 * * L", "`L5`"),
    "a range to the last day": ("0 9 15-L * *", "31"),
    "the last minute": ("L 9 * * *", "`L`"),
    "a sixth Friday": ("0 9 * * fri#6", "#1 to #5"),
    "a zeroth Friday": ("0 9 * * fri#0", "#1 to #5"),
    "each second day": ("0 9 * * *#2", "#1 to #5"),
    "a second day of the month": ("0 9 1#2 * *", "day of the month"),
    "a second Friday and a Monday": ("0 9 * * fri#2,mon", "two jobs"),
    "a second Friday and a date": ("0 9 13 * fri#2", "two jobs"),
    "a last Friday and a last day": ("0 9 L * L5", "two jobs"),
    "a step of nothing": ("*/0 * * * *", "step of 0"),
    "a step of more than an hour": ("*/90 * * * *", "every="),
    "a step without its length": ("*/ * * * *", "minute"),
    "two steps": ("1/2/3 * * * *", "minute"),
    "an equal range": ("0 5-5 * * *", "write 5"),
    "an equal range of Sundays": ("0 5 * * 7-0", "write 7"),
    "from everything": ("*-5 * * * *", "`*`"),
    "a minute too many": ("60 * * * *", "from 0 to 59"),
    "an hour too many": ("0 24 * * *", "from 0 to 23"),
    "no day": ("0 0 0 * *", "from 1 to 31"),
    "no month": ("0 0 1 0-3 *", "from 1 to 12"),
    "an eighth weekday": ("0 0 * * 8", "from 0 to 7"),
    "a negative number": ("-5 * * * *", "minute"),
    "a fraction": ("1.5 * * * *", "minute"),
    "a whole name": ("0 0 1 january *", "month"),
    "a weekday as a month": ("0 0 1 mon *", "month"),
    "an empty item": ("1,,2 * * * *", "minute"),
    "words": ("every five minutes, please, ok", "minute"),
    "digits of others": ("\N{ARABIC-INDIC DIGIT THREE} * * * *", "ASCII"),
    "an unbreakable blank": ("0\N{NO-BREAK SPACE}0 * * *", "ASCII"),
    "two lines": ("0 0\n* * *", "one line"),
    "a line's end": ("0 0 * * *\n", "one line"),
    "a form feed": ("0\f0 * * *", "one line"),
    "a NUL": ("0 0 * * \0", "one line"),
    "too few fields": ("0 0 * *", "4 fields"),
    "nothing": ("", "0 fields"),
    "eight fields": ("* * * * * * * *", "8 fields"),
    "at start": ("@reboot", "@daily"),
    "an interval": ("@every 5m", "every="),
    "an alias and more": ("@daily 5", "known are"),
    "a long text": ("0," * LONGEST_TEXT + "0 * * * *", "characters"),
    "seconds first": ("0 30 9 * * MON-FRI", "did you mean '30 9 * * MON-FRI 0'"),
    "seconds first, with a question mark": ("0 0 12 ? * *", "did you mean '0 12 * * * 0'"),
    "a number": (5, "text"),
    "bytes": (b"* * * * *", "text"),
    "none": (None, "text"),
    "a list": (["*"] * 5, "text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_and_what_to_write(case):
    cron, what = REFUSED[case]
    with pytest.raises(ScheduleError) as caught:
        Cron(cron)
    assert what in str(caught.value)
    assert "cron expression" in str(caught.value)
    assert len(str(caught.value)) < 400


PARTS = st.sampled_from([*"0123456789*/-,#lLwhr?", "mon", "fri", "jan", "10", "31", "60"])
FIELDS = st.lists(PARTS, min_size=1, max_size=4).map("".join)
WRITTEN = st.lists(st.one_of(st.just("*"), FIELDS), min_size=5, max_size=6).map(" ".join)


@given(cron=WRITTEN)
def test_what_croniter_refuses_is_refused(cron):
    try:
        read = Cron(cron)
    except ScheduleError:
        return
    ranges_of_weekdays = "#" in cron
    assert croniter.is_valid(cron) or ranges_of_weekdays
    assert read == Cron(read.text)


@given(cron=st.text(max_size=40))
def test_any_text_is_read_or_refused(cron):
    try:
        due = Cron(cron).next(SUNDAY)
    except ScheduleError:
        return
    assert due is None or isinstance(due, datetime)
