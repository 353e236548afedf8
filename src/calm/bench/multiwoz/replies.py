"""Replies in the form in which mwzeval compares them: lower case, slots as upper-case classes, Moses spacing.

The names are those of the prediction formats that `multiwoz-helper` (MIT, commit c68b2956) lists; which class each
belongs to is behaviour that the recorded unit cases fix, odd ones included (`[train]` is a TRAINID, `[ref]` no error).
"""

import re
from functools import lru_cache

from calm.bench.multiwoz.moses import respaced

CLASSES = {
    "ADDRESS": "address value_address *_address",
    "AREA": "area value_area attraction_area hotel_area restaurant_area",
    "TIME": (
        "time booktime value_time arriveby leaveat duration value_arrive value_leave value_duration train_duration"
        " train_arrive train_arriveby train_leave train_leaveat taxi_arriveby taxi_leaveat"
    ),
    "DAY": "day bookday value_day train_day",
    "PLACE": (
        "departure destination value_departure value_destination value_place train_departure train_destination"
        " taxi_departure taxi_destination"
    ),
    "FOOD": "food value_food restaurant_food",
    "NAME": "name value_name *_name",
    "PHONE": "phone value_phone taxi_phone *_phone",
    "POST": "postcode value_postcode *_postcode",
    "PRICE": (
        "price pricerange entrancefee value_price value_pricerange train_price attraction_price attraction_entrancefee"
        " attraction_pricerange hotel_pricerange restaurant_pricerange"
    ),
    "REFERENCE": (
        "ref reference value_reference attraction_reference hotel_reference restaurant_reference train_reference"
    ),
    "COUNT": (
        "stars people stay choice bookpeople bookstay value_stars value_people value_stay value_choice value_count"
        " hotel_stars attraction_choice hotel_choice restaurant_choice train_choice"
    ),
    "TYPE": "type car value_type value_car taxi_type taxi_car attraction_type hotel_type restaurant_type",
    "TRAINID": "id trainid train value_id train_id train_trainid",
    "INTERNET": "internet hotel_internet",
    "PARKING": "parking hotel_parking",
    "ID": "attraction_id hospital_id restaurant_id",
    "DEPARTMENT": "department value_department hospital_department",
    "OPEN": "openhours",
}
"""Names by class; `*_` stands for the five kinds of places."""

PLACES = ("attraction", "hospital", "hotel", "police", "restaurant")
SPACED = {"arrive by": "TIME", "leave at": "TIME", "price range": "PRICE", "entrance fee": "PRICE"}
NAMED = re.compile(r"\[([\w\s]+)\](?:es|s|-s|-es)?")


def _table() -> dict[str, str]:
    table = dict(SPACED)
    for kind, names in CLASSES.items():
        for name in names.split():
            spelled = [name.replace("*", place) for place in PLACES] if "*" in name else [name]
            table |= dict.fromkeys(spelled, kind)
    return table


NAMES = _table()


@lru_cache(maxsize=1 << 16)
def normal(reply: str) -> str:
    """A delexicalised reply as it is compared; names that no format has vanish, plural endings go with their names.

    Every `-s` and `-ly` is cut out wherever it stands, so `x-small` becomes `xmall`, as in the original.
    """
    named = NAMED.sub(lambda found: NAMES.get(found[1], ""), reply.lower())
    return respaced(named.replace("-s", "").replace("-ly", ""))


def unknown(reply: str) -> set[str]:
    """Bracketed names that no format has; they count for nothing."""
    return {name for name in NAMED.findall(reply.lower()) if name not in NAMES}
