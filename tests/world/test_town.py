"""The town: consistent, deterministic, isolated, and helpful when it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import Call
from calm.errors import UsageError
from calm.world.guard import Guarded
from calm.world.town import OFFERED, TABLES, WEEK, Town
from calm.world.town_data import ATTRACTIONS, HOTELS, RESTAURANTS, TRAINS


def do(town, tool, /, **arguments):
    return json.loads(town.run(Call(name=tool, arguments=arguments)))


TABLE = {"name": "Bosphora", "day": "monday", "people": 2}


def free_time(name, day):
    town = Town(("restaurant",))
    return next(t for t in TABLES if "reference" in do(town, "book_restaurant", name=name, day=day, time=t, people=2))


def full_time(name, day):
    town = Town(("restaurant",))
    return next(t for t in TABLES if "error" in do(town, "book_restaurant", name=name, day=day, time=t, people=2))


def test_names_are_unique_and_about_a_hundred_places_exist():
    names = [place.name for place in (*RESTAURANTS, *HOTELS, *ATTRACTIONS)] + [train.train_id for train in TRAINS]
    assert len(set(names)) == len(names) == 100


def test_every_restaurant_found_can_be_booked_every_day():
    town = Town(("restaurant",))
    for place in RESTAURANTS:
        (row,) = do(town, "find_restaurants", name=place.name)["rows"]
        for day in WEEK:
            answers = (do(town, "book_restaurant", name=row["name"], day=day, time=t, people=2) for t in TABLES)
            assert any("reference" in answer for answer in answers)


def test_every_hotel_found_can_be_booked_some_day():
    town = Town(("hotel",))
    for place in HOTELS:
        (row,) = do(town, "find_hotels", name=place.name)["rows"]
        answers = [do(town, "book_hotel", name=row["name"], day=day, nights=1, people=1) for day in WEEK]
        assert any("reference" in answer for answer in answers)


def test_every_train_found_can_be_booked_or_names_one_with_seats():
    for train in TRAINS:
        town = Town(("train",))
        found = do(town, "find_trains", origin=train.origin, destination=train.destination, day="monday")
        for row in found["rows"]:
            answer = do(town, "book_train", train_id=row["train_id"], day="monday", people=1)
            assert "reference" in answer or answer["free"]


@given(st.sampled_from(RESTAURANTS), st.sampled_from(WEEK), st.sampled_from(TABLES))
def test_times_offered_in_place_of_a_full_one_are_free(place, day, time):
    town = Town(("restaurant",))
    answer = do(town, "book_restaurant", name=place.name, day=day, time=time, people=2)
    for other in answer.get("free", []):
        assert "reference" in do(town, "book_restaurant", name=place.name, day=day, time=other, people=2)


def test_a_search_counts_all_and_shows_three():
    found = do(Town(), "find_restaurants", area="centre")
    assert found["count"] == sum(place.area == "centre" for place in RESTAURANTS)
    assert [len(found["rows"]), {row["area"] for row in found["rows"]}] == [3, {"centre"}]


def test_wishes_are_joined_by_and():
    found = do(Town(), "find_hotels", area="south", price="cheap", parking=True)
    assert [row["name"] for row in found["rows"]] == ["Tidewater Lodge"]


def test_trains_keep_to_the_wanted_hours_and_days():
    trip = {"origin": "Aldermere", "destination": "Greyhaven"}
    late = do(Town(), "find_trains", **trip, day="monday", leave_after="07:00", arrive_by="13:00")
    assert [row["train_id"] for row in late["rows"]] == ["T22"]
    assert do(Town(), "find_trains", **trip, day="sunday")["count"] == 2


def test_the_same_booking_twice_is_refused_with_the_first_reference():
    town, time = Town(), free_time("Bosphora", "monday")
    first = do(town, "book_restaurant", **TABLE, time=time)
    second = do(town, "book_restaurant", **TABLE, time=time)
    assert first["reference"] in second["error"]
    assert len(town.bookings) == 1


def test_two_towns_share_nothing():
    one, other, time = Town(), Town(), free_time("Bosphora", "monday")
    do(one, "book_restaurant", **TABLE, time=time)
    assert other.bookings == {}
    assert "reference" in do(other, "book_restaurant", **TABLE, time=time)


def test_references_depend_on_content_and_order_only():
    time = free_time("Bosphora", "monday")
    taxi = {"origin": "station", "destination": "Heron Pool", "time": "09:00"}
    one, other = Town(), Town(("taxi", "restaurant"))
    first = [do(one, "book_taxi", **taxi), do(one, "book_restaurant", **TABLE, time=time)]
    assert first == [do(other, "book_taxi", **taxi), do(other, "book_restaurant", **TABLE, time=time)]
    assert do(Town(), "book_restaurant", **TABLE, time=time)["reference"] != first[1]["reference"]


def test_cancelling_frees_and_never_reuses_a_reference():
    town, time = Town(), free_time("Bosphora", "monday")
    first = do(town, "book_restaurant", **TABLE, time=time)["reference"]
    assert do(town, "cancel_booking", reference=first) == {"cancelled": first}
    assert do(town, "book_restaurant", **TABLE, time=time)["reference"] != first
    assert first not in town.bookings


def test_a_full_table_offers_times_that_work():
    answer = do(Town(), "book_restaurant", **TABLE, time=full_time("Bosphora", "monday"))
    assert "full on monday" in answer["error"]
    assert len(answer["free"]) == 2


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("find_restaurants", {"name": "Lucias Table"}, "Lucia's Table"),
        ("book_restaurant", {**TABLE, "name": "bosphorus", "time": "19:00"}, "Bosphora"),
        ("book_hotel", {"name": "Larkspur", "day": "monday", "nights": 1, "people": 1}, "The Larkspur"),
        ("book_restaurant", {**TABLE, "people": 9, "time": "19:00"}, "people is 9; allowed are 1 to 8"),
        ("book_restaurant", {**TABLE, "time": "7pm"}, "HH:MM"),
        ("book_restaurant", {**TABLE, "time": "03:00"}, "12:00"),
        ("book_hotel", {"name": "The Larkspur", "day": "monday", "nights": 30, "people": 1}, "1 to 14"),
        ("book_train", {"train_id": "T13", "day": "sunday", "people": 1}, "monday to friday"),
        ("book_train", {"train_id": "T1", "day": "sunday", "people": 1}, "near"),
        ("book_taxi", {"origin": "Heron Pool", "destination": "heron pool", "time": "09:00"}, "two places"),
        ("book_taxi", {"origin": "Heron Pol", "destination": "station", "time": "09:00"}, "Heron Pool"),
        ("find_attractions", {"name": "zzzz"}, "search"),
        ("cancel_booking", {"reference": "R1"}, "none"),
    ],
)
def test_errors_say_what_would_work(name, arguments, said):
    answer = do(Town(), name, **arguments)
    assert "error" in answer
    assert said in json.dumps(answer)


def test_domains_choose_the_tools():
    assert [tool.name for tool in Town(("hotel", "restaurant")).tools] == [*OFFERED["restaurant"], *OFFERED["hotel"]]
    assert len(Town().tools) == 9


def test_an_unknown_domain_lists_the_known():
    with pytest.raises(UsageError, match=r"'bus'.*taxi"):
        Town(("bus",))


def test_what_books_or_cancels_is_marked_and_a_guard_can_keep_it_from_happening():
    town = Town()
    assert town.writing == {name for names in OFFERED.values() for name in names if not name.startswith("find")}
    asked = Guarded(town, approve=lambda call: False)
    table = {**TABLE, "time": free_time("Bosphora", "monday")}
    assert [do(box, "book_restaurant", **table).get("type") for box in (asked, Guarded(town, dry_run=True))] == [
        "refused",
        None,
    ]
    assert "argument 'day'" in do(asked, "book_restaurant", **{**table, "day": "someday"})["error"]
    assert town.bookings == {}
    assert "reference" in do(Guarded(town), "book_restaurant", **table)
