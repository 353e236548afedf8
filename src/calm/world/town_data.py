"""Aldermere: the places and trains of a town that does not exist; its names are our own and none is MultiWOZ's."""

from typing import Literal, NamedTuple

Area = Literal["centre", "north", "south", "east", "west"]
Price = Literal["cheap", "moderate", "expensive"]
Food = Literal["british", "chinese", "french", "indian", "italian", "thai", "turkish"]
Kind = Literal["gallery", "museum", "park", "pool", "theatre"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Station = Literal["Aldermere", "Brackwater", "Greyhaven", "Tolmouth", "Windlow"]


class Restaurant(NamedTuple):
    """A place to eat; tables are booked for a day and a time."""

    name: str
    area: Area
    food: Food
    price: Price
    address: str


class Hotel(NamedTuple):
    """A place to sleep; rooms are booked from a day on for some nights."""

    name: str
    area: Area
    price: Price
    stars: int
    parking: bool
    address: str


class Attraction(NamedTuple):
    """A place to see; nobody needs to book it."""

    name: str
    area: Area
    kind: Kind
    entry: str
    address: str


class Train(NamedTuple):
    """A train between Aldermere and another town; `days` is daily or weekdays, `price` is for one seat in pounds."""

    train_id: str
    origin: Station
    destination: Station
    leave: str
    arrive: str
    days: Literal["daily", "weekdays"]
    price: int


Place = Restaurant | Hotel | Attraction

RESTAURANTS = (
    Restaurant("The Tin Ladle", "centre", "british", "cheap", "4 Mill Lane"),
    Restaurant("Drover's Rest", "north", "british", "moderate", "31 Heron Road"),
    Restaurant("The Gilded Heron", "west", "british", "expensive", "2 Abbot's Walk"),
    Restaurant("Anchor and Thyme", "south", "british", "moderate", "17 Quay Street"),
    Restaurant("Old Toll House", "east", "british", "cheap", "60 Turnpike Road"),
    Restaurant("Paper Crane", "centre", "chinese", "moderate", "12 Cooper Street"),
    Restaurant("Jade Kettle", "east", "chinese", "cheap", "8 Foundry Row"),
    Restaurant("Nine Carp Court", "east", "chinese", "expensive", "21 Foundry Row"),
    Restaurant("Little Pepper Door", "north", "chinese", "cheap", "5 Heron Road"),
    Restaurant("Willow Plate", "south", "chinese", "moderate", "44 Ferry Lane"),
    Restaurant("Chez Maurelle", "centre", "french", "expensive", "1 Market Row"),
    Restaurant("Le Petit Quai", "south", "french", "expensive", "3 Quay Street"),
    Restaurant("Bistro Fauvette", "west", "french", "moderate", "19 Orchard Hill"),
    Restaurant("La Mouette", "north", "french", "moderate", "27 Beacon Street"),
    Restaurant("Marmite Bleue", "centre", "french", "moderate", "16 Cooper Street"),
    Restaurant("Marigold Gate", "centre", "indian", "moderate", "9 Mill Lane"),
    Restaurant("Tamarind Steps", "east", "indian", "cheap", "33 Turnpike Road"),
    Restaurant("Monsoon Yard", "south", "indian", "moderate", "25 Ferry Lane"),
    Restaurant("Cardamom Hill", "west", "indian", "expensive", "7 Orchard Hill"),
    Restaurant("Clove and Lantern", "north", "indian", "cheap", "14 Beacon Street"),
    Restaurant("The Olive Crate", "centre", "italian", "moderate", "22 Market Row"),
    Restaurant("Lucia's Table", "north", "italian", "cheap", "18 Heron Road"),
    Restaurant("Casa Violetta", "centre", "italian", "expensive", "30 Market Row"),
    Restaurant("Forno Nove", "west", "italian", "moderate", "11 Abbot's Walk"),
    Restaurant("Bella Brace", "south", "italian", "cheap", "6 Quay Street"),
    Restaurant("Lemongrass Pier", "south", "thai", "cheap", "52 Ferry Lane"),
    Restaurant("Mango Tuk", "centre", "thai", "cheap", "3 Cooper Street"),
    Restaurant("Basil and Smoke", "west", "thai", "moderate", "28 Orchard Hill"),
    Restaurant("Chilli Orchard", "north", "thai", "expensive", "40 Beacon Street"),
    Restaurant("Lotus Stair", "east", "thai", "moderate", "15 Foundry Row"),
    Restaurant("Ember and Fig", "east", "turkish", "moderate", "48 Turnpike Road"),
    Restaurant("Bosphora", "centre", "turkish", "cheap", "27 Mill Lane"),
    Restaurant("Pomegranate Court", "north", "turkish", "cheap", "9 Heron Road"),
    Restaurant("Sultan's Ladle", "west", "turkish", "cheap", "36 Abbot's Walk"),
    Restaurant("Copper Minaret", "south", "turkish", "expensive", "13 Quay Street"),
)

HOTELS = (
    Hotel("The Larkspur", "centre", "expensive", 5, True, "2 Market Row"),
    Hotel("Weaver's Inn", "centre", "moderate", 3, False, "20 Mill Lane"),
    Hotel("Cooper Street Rooms", "centre", "cheap", 2, False, "41 Cooper Street"),
    Hotel("Lantern Lodge", "centre", "moderate", 4, True, "15 Market Row"),
    Hotel("Heron House", "north", "moderate", 4, True, "2 Heron Road"),
    Hotel("Beacon Hostel", "north", "cheap", 2, False, "60 Beacon Street"),
    Hotel("The Northgate Arms", "north", "cheap", 3, True, "71 Heron Road"),
    Hotel("Highfield Manor", "north", "expensive", 5, True, "1 Beacon Street"),
    Hotel("The Ferryman", "south", "moderate", 3, True, "10 Ferry Lane"),
    Hotel("Quayside Rooms", "south", "cheap", 2, False, "29 Quay Street"),
    Hotel("The Salt Loft", "south", "expensive", 4, False, "1 Quay Street"),
    Hotel("Tidewater Lodge", "south", "cheap", 3, True, "66 Ferry Lane"),
    Hotel("Foundry Hotel", "east", "moderate", 4, True, "3 Foundry Row"),
    Hotel("Turnpike Motel", "east", "cheap", 2, True, "90 Turnpike Road"),
    Hotel("The Iron Bridge", "east", "expensive", 5, True, "30 Foundry Row"),
    Hotel("Smithy Guest House", "east", "moderate", 3, False, "12 Turnpike Road"),
    Hotel("Orchard House", "west", "moderate", 4, True, "5 Orchard Hill"),
    Hotel("Abbot's Lodge", "west", "expensive", 5, False, "8 Abbot's Walk"),
    Hotel("Appletree Hostel", "west", "cheap", 2, False, "50 Orchard Hill"),
    Hotel("The Plum Stone", "west", "cheap", 3, True, "24 Abbot's Walk"),
)

ATTRACTIONS = (
    Attraction("Corn Hall Gallery", "centre", "gallery", "free", "6 Market Row"),
    Attraction("Boathouse Gallery", "south", "gallery", "4 pounds", "40 Quay Street"),
    Attraction("The White Kiln", "west", "gallery", "free", "31 Orchard Hill"),
    Attraction("Signal Box Gallery", "east", "gallery", "3 pounds", "70 Turnpike Road"),
    Attraction("Museum of Clocks", "centre", "museum", "6 pounds", "18 Cooper Street"),
    Attraction("Lace Museum", "north", "museum", "free", "22 Beacon Street"),
    Attraction("Museum of River Trade", "south", "museum", "5 pounds", "2 Ferry Lane"),
    Attraction("Old Foundry Museum", "east", "museum", "7 pounds", "1 Foundry Row"),
    Attraction("Abbey Garden", "west", "park", "free", "1 Abbot's Walk"),
    Attraction("Beacon Hill Park", "north", "park", "free", "80 Beacon Street"),
    Attraction("Canal Meadow", "east", "park", "free", "99 Turnpike Road"),
    Attraction("Rope Walk Park", "south", "park", "free", "60 Quay Street"),
    Attraction("Market Baths", "centre", "pool", "5 pounds", "40 Market Row"),
    Attraction("Heron Pool", "north", "pool", "4 pounds", "55 Heron Road"),
    Attraction("Orchard Lido", "west", "pool", "3 pounds", "60 Orchard Hill"),
    Attraction("Ferry Lane Pool", "south", "pool", "4 pounds", "80 Ferry Lane"),
    Attraction("The Lamplighter", "centre", "theatre", "15 pounds", "33 Mill Lane"),
    Attraction("Theatre on the Quay", "south", "theatre", "12 pounds", "50 Quay Street"),
    Attraction("Forge Stage", "east", "theatre", "10 pounds", "40 Foundry Row"),
    Attraction("Walled Garden Theatre", "west", "theatre", "8 pounds", "44 Abbot's Walk"),
)

TRAINS = (
    Train("T11", "Aldermere", "Brackwater", "07:20", "08:05", "daily", 12),
    Train("T12", "Aldermere", "Brackwater", "11:20", "12:05", "daily", 9),
    Train("T13", "Aldermere", "Brackwater", "17:20", "18:05", "weekdays", 12),
    Train("T14", "Brackwater", "Aldermere", "08:40", "09:25", "daily", 12),
    Train("T15", "Brackwater", "Aldermere", "13:40", "14:25", "daily", 9),
    Train("T16", "Brackwater", "Aldermere", "19:40", "20:25", "weekdays", 12),
    Train("T21", "Aldermere", "Greyhaven", "06:50", "08:00", "weekdays", 18),
    Train("T22", "Aldermere", "Greyhaven", "10:50", "12:00", "daily", 14),
    Train("T23", "Aldermere", "Greyhaven", "16:50", "18:00", "daily", 18),
    Train("T24", "Greyhaven", "Aldermere", "09:10", "10:20", "daily", 18),
    Train("T25", "Greyhaven", "Aldermere", "14:10", "15:20", "daily", 14),
    Train("T26", "Greyhaven", "Aldermere", "20:10", "21:20", "weekdays", 18),
    Train("T31", "Aldermere", "Tolmouth", "08:05", "08:35", "daily", 7),
    Train("T32", "Aldermere", "Tolmouth", "12:05", "12:35", "daily", 5),
    Train("T33", "Aldermere", "Tolmouth", "15:05", "15:35", "weekdays", 5),
    Train("T34", "Aldermere", "Tolmouth", "18:05", "18:35", "daily", 7),
    Train("T35", "Tolmouth", "Aldermere", "09:45", "10:15", "daily", 7),
    Train("T36", "Tolmouth", "Aldermere", "14:45", "15:15", "daily", 5),
    Train("T37", "Tolmouth", "Aldermere", "19:45", "20:15", "daily", 7),
    Train("T41", "Aldermere", "Windlow", "07:35", "08:30", "weekdays", 15),
    Train("T42", "Aldermere", "Windlow", "11:35", "12:30", "daily", 11),
    Train("T43", "Aldermere", "Windlow", "18:35", "19:30", "daily", 15),
    Train("T44", "Windlow", "Aldermere", "09:00", "09:55", "daily", 15),
    Train("T45", "Windlow", "Aldermere", "13:00", "13:55", "daily", 11),
    Train("T46", "Windlow", "Aldermere", "20:00", "20:55", "daily", 15),
)
