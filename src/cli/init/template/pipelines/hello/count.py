"""What runs in the container: reads its environment, leaves its result as JSON at $BUNSUI_OUTPUT."""

import json
import os

text = os.environ["TEXT"]
letters = sum(1 for character in text if character.isalpha())
print("{!r} has {} letters".format(text, letters))

with open(os.environ["BUNSUI_OUTPUT"], "w") as output:
    json.dump({"letters": letters}, output)
