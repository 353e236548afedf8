"""Values that people name: places, persons, things, titles, topics; all in lists, so that a row can draw from them."""


def _all(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CITIES = _all(
    """
    Aberdeen Accra Adelaide Amsterdam Antwerp Athens Atlanta Austin Bangkok Barcelona Beirut Belfast Belgrade
    Bergen Berlin Bilbao Bogotá Bologna Boston Bratislava Brisbane Bristol Brussels Bucharest Budapest Cairo
    Calgary Cardiff Casablanca Chicago Christchurch Cologne Copenhagen Cork Dakar Dallas Denver Detroit Dresden
    Dubai Dublin Durban Edinburgh Florence Frankfurt Galway Geneva Genoa Ghent Glasgow Graz Guadalajara Hamburg
    Hanoi Helsinki Houston Istanbul Jakarta Johannesburg Karachi Kingston Krakow Kyoto Lagos Leeds Leipzig Lima
    Lisbon Liverpool Ljubljana London Lyon Madrid Manchester Manila Marseille Melbourne Miami Milan Montreal
    Mumbai Munich Nagoya Nairobi Nantes Naples Nashville Osaka Oslo Ottawa Paris Perth Philadelphia Phoenix Pisa
    Porto Portland Prague Pune Quito Reykjavik Riga Rome Rotterdam Salzburg Santiago Sapporo Seattle Seoul
    Seville Shanghai Sheffield Singapore Sofia Stockholm Stuttgart Sydney Tallinn Tampere Tokyo Toronto Toulouse
    Trondheim Turin Utrecht Valencia Vancouver Venice Vienna Vilnius Warsaw Wellington Winnipeg York Zagreb
    Zurich
    """
)
COUNTRIES = {
    "Argentina": "AR", "Australia": "AU", "Austria": "AT", "Belgium": "BE", "Brazil": "BR", "Bulgaria": "BG",
    "Canada": "CA", "Chile": "CL", "China": "CN", "Colombia": "CO", "Croatia": "HR", "Denmark": "DK", "Egypt": "EG",
    "Estonia": "EE", "Ethiopia": "ET", "Finland": "FI", "France": "FR", "Germany": "DE", "Ghana": "GH", "Greece": "GR",
    "Hungary": "HU", "Iceland": "IS", "India": "IN", "Indonesia": "ID", "Ireland": "IE", "Israel": "IL", "Italy": "IT",
    "Japan": "JP", "Jordan": "JO", "Kenya": "KE", "Latvia": "LV", "Lithuania": "LT", "Malaysia": "MY", "Mexico": "MX",
    "Morocco": "MA", "Nepal": "NP", "New Zealand": "NZ", "Nigeria": "NG", "Norway": "NO", "Pakistan": "PK",
    "Peru": "PE", "Poland": "PL", "Portugal": "PT", "Romania": "RO", "Senegal": "SN", "Singapore": "SG",
    "Slovakia": "SK", "Slovenia": "SI", "South Africa": "ZA", "South Korea": "KR", "Spain": "ES", "Sri Lanka": "LK",
    "Sweden": "SE", "Switzerland": "CH", "Tanzania": "TZ", "Thailand": "TH", "Tunisia": "TN", "Turkey": "TR",
    "Uganda": "UG", "Ukraine": "UA", "Uruguay": "UY", "Vietnam": "VN",
}  # fmt: skip
STATES = _all(
    """
    Alabama Alaska Arizona Arkansas California Colorado Connecticut Florida Georgia Idaho Illinois Indiana Iowa
    Kansas Maine Maryland Michigan Minnesota Montana Nebraska Nevada Ohio Oklahoma Oregon Texas Utah Vermont
    Virginia Wisconsin Wyoming
    """
)
FIRST = _all(
    """
    Ada Adam Agnes Ahmed Aisha Alba Alice Amara Amir Anders Andrea Anna Anton Ava Ben Bianca Bruno Carla Carlos
    Cecilia Chen Clara Daniel Darius David Diego Dina Edith Elena Elias Ella Emil Emma Erik Esra Eva Fatima
    Felix Fiona Frida George Gita Grace Hana Hannah Hassan Helen Hugo Ida Ines Ingrid Irene Isaac Ivan Jakob
    Jana Jasper Joana Jonas Julia Kaito Karim Katya Kofi Lara Lars Laura Leila Leo Lin Lucia Lukas Maja Marco
    Maria Marta Mateo Maya Mila Mina Mohamed Nadia Nils Nina Noah Nora Oscar Otto Paula Pedro Petra Priya Rafael
    Ravi Rosa Ruth Sami Sara Simon Sofia Sven Tara Theo Tomas Uma Vera Victor Wanda Yara Yusuf Zoe
    """
)
LAST = _all(
    """
    Abbott Adeyemi Almeida Andersen Bakker Barros Becker Bell Bergman Brandt Brennan Burke Castillo Chandra
    Cohen Costa Cruz Dahl Daly Delgado Doyle Duarte Eriksen Farrell Fischer Fonseca Garner Grant Haddad Hale
    Hansen Hart Hayashi Hayes Holm Horvat Hughes Ibrahim Ito Jansen Jensen Kaplan Kaya Keller Khan Kim Klein
    Kovacs Kumar Lam Larsen Lind Lopez Marsh Martins Mehta Mendes Meyer Moreau Mori Morgan Murphy Nagy Nair
    Nielsen Novak Nowak Okafor Olsen Ortiz Osei Park Patel Pereira Petrov Price Quinn Ramos Reyes Rinaldi Rossi
    Russo Sato Schmidt Silva Singh Sloan Soto Stein Suzuki Tanaka Thorne Torres Tran Varga Vargas Vogel Walsh
    Weber Wong Yilmaz Young Zhang Zimmer
    """
)
STREETS = _all(
    """
    Ash Beech Birch Bridge Canal Castle Cedar Chapel Cherry Church Elm Forest Garden Harbour High Hill King Lake
    Lime Linden Maple Market Meadow Mill Oak Orchard Park Pine Queen River Rose School Spring Station Tower
    Valley Victoria Walnut Water Willow
    """
)
WAYS = ("Street", "Road", "Avenue", "Lane", "Square", "Way", "Drive")
COMPANIES = tuple(
    f"{head} {tail}"
    for head in _all(
        """
        Alder Bluecrest Cobalt Dunmore Eastgate Fernhill Granite Harbourline Ironwood Juniper Kestrel Lakeview Meridian
        Northwind Oakfield Pinecone Quarry Redstone Silverbirch Tidewater
        """
    )
    for tail in _all("Foods Logistics Systems Energy Media Textiles Bank Robotics Health Tools")
)
TICKERS = {
    "AAPL": "Apple", "MSFT": "Microsoft", "AMZN": "Amazon", "NVDA": "Nvidia", "TSLA": "Tesla", "NFLX": "Netflix",
    "INTC": "Intel", "IBM": "IBM", "ORCL": "Oracle", "KO": "Coca-Cola", "PEP": "PepsiCo", "MCD": "McDonald's",
    "NKE": "Nike", "DIS": "Disney", "SBUX": "Starbucks", "BA": "Boeing", "CAT": "Caterpillar", "PFE": "Pfizer",
    "JNJ": "Johnson & Johnson", "V": "Visa", "MA": "Mastercard", "JPM": "JPMorgan", "GS": "Goldman Sachs",
    "WMT": "Walmart", "COST": "Costco", "HD": "Home Depot", "XOM": "Exxon", "CVX": "Chevron", "ADBE": "Adobe",
    "CRM": "Salesforce",
}  # fmt: skip
COINS = ("BTC", "ETH", "SOL", "ADA", "DOT", "LTC", "XRP", "DOGE", "AVAX", "LINK")
CURRENCIES = {
    "USD": "US dollars", "EUR": "euros", "GBP": "pounds", "JPY": "yen", "CHF": "Swiss francs", "SEK": "Swedish kronor",
    "NOK": "Norwegian kroner", "DKK": "Danish kroner", "PLN": "zloty", "CZK": "Czech crowns",
    "AUD": "Australian dollars", "CAD": "Canadian dollars", "NZD": "New Zealand dollars", "INR": "rupees",
    "BRL": "reais", "MXN": "Mexican pesos", "ZAR": "rand", "KRW": "won", "SGD": "Singapore dollars",
    "TRY": "Turkish lira",
}  # fmt: skip
LANGUAGES = {
    "English": "en", "French": "fr", "German": "de", "Spanish": "es", "Italian": "it", "Portuguese": "pt",
    "Dutch": "nl", "Swedish": "sv", "Norwegian": "no", "Danish": "da", "Finnish": "fi", "Polish": "pl", "Czech": "cs",
    "Greek": "el", "Turkish": "tr", "Arabic": "ar", "Hindi": "hi", "Japanese": "ja", "Korean": "ko", "Chinese": "zh",
    "Vietnamese": "vi", "Hungarian": "hu", "Romanian": "ro", "Ukrainian": "uk",
}  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TITLES = tuple(
    f"{head} {tail}"
    for head in ("The Quiet", "A Distant", "The Last", "Under the", "Beyond the", "The Hidden", "Letters from the")
    for tail in _all("Harbour Orchard Lantern Winter Garden Bridge Mountain River Island Carnival Paper")
)
SENTENCES = (
    "The meeting has moved to Thursday afternoon.", "Please bring the signed forms with you.",
    "I really enjoyed the concert.", "The delivery arrived two days late.", "Our new office opens next month.",
    "Thank you for your patience.", "The soup was cold and the service was slow.",
    "We are looking for a reliable partner.", "The kids loved the museum.", "Your order has been shipped.",
    "The lift is out of order again.", "It was the best holiday we ever had.", "Please call me back after lunch.",
    "The report is almost finished.", "This phone keeps losing its connection.",
    "The garden looks beautiful in spring.", "I would recommend this hotel to anyone.",
    "The train was packed this morning.", "Don't forget to water the plants.", "We won the match in the last minute.",
    "The software update fixed the problem.", "Our team grew from five to twelve people.",
    "The book was better than the film.", "Let's meet at the station at noon.", "The invoice for March is still open.",
    "She finished the marathon in under four hours.", "The road is closed until Friday.",
    "Breakfast is served from seven to ten.", "The new logo looks great.", "My flight was cancelled without notice.",
    "We will be closed on public holidays.", "The recipe calls for fresh basil.", "The printer is out of paper.",
    "His speech moved everyone in the room.", "The heating in room twelve does not work.",
    "I am happy with my purchase.", "The workshop starts at nine sharp.", "There is a leak under the kitchen sink.",
    "The view from the tower is amazing.", "Our guests arrive tomorrow evening.",
)  # fmt: skip
TOPICS = (
    "renewable energy", "electric cars", "urban gardening", "space travel", "ancient Rome", "jazz history",
    "coffee brewing", "machine learning", "coral reefs", "sleep research", "medieval castles", "home insulation",
    "data privacy", "bird migration", "vegan cooking", "wind power", "marathon training", "public transport",
    "bee keeping", "quantum computing", "wild mushrooms", "remote work", "the silk road", "volcanoes", "solar panels",
    "modern art", "chess openings", "football tactics", "mental health at work", "ocean plastics",
    "early childhood education", "cyber security", "sourdough baking", "glaciers", "electric bikes",
    "photography basics", "labour law", "wooden furniture", "open source software", "water conservation", "film noir",
    "board games", "desert animals", "time management", "food waste", "robotics in schools", "the human genome",
    "city planning", "mountain hiking", "digital payments", "the industrial revolution", "street art",
    "nutrition for athletes", "cloud storage", "antibiotic resistance", "sustainable fashion", "earthquakes",
    "public speaking", "tea ceremonies", "tides",
)  # fmt: skip
PRODUCTS = (
    "wireless headphones", "running shoes", "coffee machine", "desk lamp", "office chair", "water bottle", "yoga mat",
    "backpack", "mechanical keyboard", "electric kettle", "rain jacket", "hiking boots", "bluetooth speaker",
    "air fryer", "standing desk", "bike helmet", "sleeping bag", "phone case", "smart watch", "robot vacuum",
    "digital camera", "toaster", "guitar strings", "travel pillow", "garden hose", "cordless drill", "baby stroller",
    "sunglasses", "winter gloves", "table tennis set",
)  # fmt: skip
ANIMALS = _all(
    """
    alpaca badger beaver bison camel cheetah crane dolphin eagle elephant falcon ferret flamingo giraffe goat
    gorilla hedgehog horse jaguar kangaroo koala lemur leopard lion llama lynx moose octopus orangutan otter owl
    panda peacock penguin pig puffin rabbit raven salmon seal sheep sloth swan tiger tortoise walrus wolf zebra
    """
)
PLANTS = _all(
    """
    apple barley basil beech birch cabbage carrot cherry corn cotton cucumber fern garlic grape lavender lettuce
    maple oak oat olive onion pea pear pepper pine potato pumpkin rice rose rye sage soybean spinach sunflower
    tomato tulip walnut wheat willow
    """
)
DRUGS = _all(
    """
    acetaminophen amoxicillin aspirin atorvastatin cetirizine ibuprofen insulin lisinopril loratadine metformin
    naproxen omeprazole paracetamol penicillin prednisone simvastatin warfarin
    """
)
DISEASES = (
    "asthma", "diabetes", "influenza", "malaria", "measles", "hypertension", "tuberculosis", "migraine", "arthritis",
    "anemia", "pneumonia", "bronchitis", "eczema", "gout", "hepatitis B", "epilepsy", "osteoporosis", "dengue fever",
    "cholera", "COVID-19",
)  # fmt: skip
SPORTS = _all(
    """
    archery badminton baseball basketball boxing cricket cycling fencing football golf gymnastics handball
    hockey judo rowing rugby sailing skiing squash surfing swimming tennis volleyball wrestling
    """
)
FOODS = (
    "pasta", "sushi", "lentil soup", "pancakes", "grilled salmon", "tomato salad", "chicken curry", "fried rice",
    "apple pie", "mushroom risotto", "beef stew", "omelette", "hummus", "ratatouille", "tacos", "ramen", "porridge",
    "quiche", "falafel", "lasagne", "pizza", "paella", "goulash", "brownies", "banana bread",
)  # fmt: skip
COLORS = _all(
    """
    black blue brown cyan gold green grey magenta navy olive orange pink purple red silver teal turquoise white
    yellow
    """
)
MATERIALS = _all(
    """
    aluminium bamboo brass bronze ceramic clay concrete copper cotton glass granite iron leather linen marble
    nylon oak paper plastic polyester rubber silk slate steel stone titanium wood wool zinc
    """
)
JOBS = (
    "software engineer", "nurse", "electrician", "graphic designer", "teacher", "accountant", "chef", "plumber",
    "data analyst", "carpenter", "pharmacist", "translator", "architect", "photographer", "journalist", "librarian",
    "civil engineer", "dentist", "project manager", "truck driver", "veterinarian", "social worker", "web developer",
    "lab technician", "firefighter",
)  # fmt: skip
INDUSTRIES = _all(
    """
    agriculture automotive aviation banking construction education energy fashion healthcare hospitality
    insurance logistics manufacturing media mining pharmaceuticals retail shipping software telecommunications
    tourism
    """
)
GENRES = _all(
    """
    action adventure ambient blues classical comedy country crime documentary drama fantasy folk funk horror
    jazz mystery opera pop reggae rock romance soul techno thriller western
    """
)
PLATFORMS = (
    "Facebook", "Instagram", "LinkedIn", "YouTube", "TikTok", "Reddit", "Pinterest", "Twitter", "Snapchat", "Mastodon",
)  # fmt: skip
CODE = (
    "Python",
    "Java",
    "JavaScript",
    "C++",
    "Rust",
    "Go",
    "Ruby",
    "Kotlin",
    "Swift",
    "TypeScript",
    "PHP",
    "Haskell",
    "R",
)
ELEMENTS = _all(
    """
    aluminium argon calcium carbon chlorine copper gold helium hydrogen iron lead lithium magnesium mercury neon
    nickel nitrogen oxygen silicon silver sodium sulfur tin uranium zinc
    """
)
SUBJECTS = (
    "algebra", "biology", "chemistry", "economics", "geography", "geometry", "history", "literature", "music theory",
    "philosophy", "physics", "statistics",
)  # fmt: skip
INSTRUMENTS = _all(
    """
    accordion bassoon cello clarinet drums flute guitar harp oboe piano saxophone trombone trumpet ukulele
    violin
    """
)
WORDS = _all(
    """
    abundant brisk candid diligent eager fragile genuine humble immense jovial keen lucid modest novel obscure
    placid quaint robust serene tranquil unique vivid wary zealous harbour lantern meadow nickel orchard pebble
    quarry ribbon saddle thimble umbrella velvet whistle anchor bridge candle dawn ember feather glacier
    """
)
EXTENSIONS = {
    "audio": "mp3", "sound": "wav", "image": "png", "photo": "jpg", "video": "mp4", "csv": "csv", "pdf": "pdf",
    "design": "svg", "json": "json", "text": "txt", "document": "docx", "report": "pdf", "resume": "pdf",
    "excel": "xlsx", "spreadsheet": "xlsx", "presentation": "pptx", "markdown": "md",
}  # fmt: skip
FILES = _all(
    """
    annual_report budget_2024 chapter_three customer_list draft field_notes floor_plan holiday_photos interview
    inventory kitchen_sketch lecture_05 logo measurements meeting_minutes portrait presentation prototype
    sales_q3 sample_07 schedule site_map survey_results team_photo timesheet training_data weekly_plan
    """
)
FOLDERS = ("data", "documents", "projects/alpha", "home/anna", "shared", "uploads", "archive/2023", "work")
SITES = _all(
    """
    bluefern cedarlane daybreak eastbay fieldnotes greenpath hillcrest inkwell lakehouse mapletree northgate
    openfield plainview quietroom riverbend sunnyside
    """
)
ENDINGS = ("com", "org", "net", "io")
HOME = {
    "Athens": "Greece", "Barcelona": "Spain", "Bergen": "Norway", "Berlin": "Germany", "Bologna": "Italy",
    "Brisbane": "Australia", "Bristol": "United Kingdom", "Budapest": "Hungary", "Cairo": "Egypt", "Calgary": "Canada",
    "Copenhagen": "Denmark", "Cork": "Ireland", "Dresden": "Germany", "Durban": "South Africa", "Florence": "Italy",
    "Geneva": "Switzerland", "Ghent": "Belgium", "Graz": "Austria", "Hanoi": "Vietnam", "Helsinki": "Finland",
    "Istanbul": "Turkey", "Jakarta": "Indonesia", "Kyoto": "Japan", "Lagos": "Nigeria", "Lima": "Peru",
    "Lisbon": "Portugal", "Lyon": "France", "Melbourne": "Australia", "Montreal": "Canada", "Mumbai": "India",
    "Nairobi": "Kenya", "Osaka": "Japan", "Oslo": "Norway", "Porto": "Portugal", "Prague": "Czech Republic",
    "Riga": "Latvia", "Rome": "Italy", "Santiago": "Chile", "Seoul": "South Korea", "Seville": "Spain",
    "Stockholm": "Sweden", "Tallinn": "Estonia", "Toulouse": "France", "Utrecht": "Netherlands", "Vienna": "Austria",
    "Vilnius": "Lithuania", "Warsaw": "Poland", "Zagreb": "Croatia", "Zurich": "Switzerland",
}  # fmt: skip
"""Cities and their countries, for when both are asked for."""
