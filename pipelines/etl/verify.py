"""What the container runs: is the report a whole page with every month in it?

environment: REPORT: its address; MONTHS: how many there have to be
"""

import os
import sys
from html.parser import HTMLParser

import storage


class Page(HTMLParser):
    """Notes what is open and how many rows the table has."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.wrong = [], 0, []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "meta":
            self.open.pop()
        if tag == "tr" and "tbody" in self.open:
            self.rows += 1

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def findings(text, months):
    page = Page()
    page.feed(text)
    page.close()
    found = ["</{}> closes nothing".format(tag) for tag in page.wrong]
    found += ["<{}> is not closed".format(tag) for tag in page.open]
    if page.rows != months:
        found.append("{} rows in the table, but {} months".format(page.rows, months))
    return found


def main():
    found = findings(storage.read_text(os.environ["REPORT"]), int(os.environ["MONTHS"]))
    for finding in found:
        print(finding, file=sys.stderr)
    print("{} finding(s) in {}".format(len(found), os.environ["REPORT"]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
