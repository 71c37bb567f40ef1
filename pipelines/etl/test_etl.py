"""Tests of the pieces, without bunsui: python3 -m unittest discover pipelines/etl

They need nothing but Python's standard library, 3.8 or newer.
"""

import json
import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import extract  # noqa: E402
import monthly  # noqa: E402
import report  # noqa: E402
import storage  # noqa: E402
import transform  # noqa: E402
import verify  # noqa: E402


class Etl(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def process(self, script, **environment):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, script)],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    def statistics(self, source):
        return {
            name: monthly.handler({"statistic": name, "source": source}, None)
            for name in ("temperature", "rain", "wind")
        }

    def clean(self, year):
        raw = extract.handler({"year": year, "target": self.path("raw.csv")}, None)
        done = self.process(
            "transform.py",
            SOURCE=raw["target"],
            TARGET=self.path("daily.csv"),
            BUNSUI_OUTPUT=self.path("output.json"),
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("output.json")) as file:
            return raw, json.load(file)

    def test_every_year_becomes_a_verified_page(self):
        for year, days in ((2012, 366), (2013, 365), (2014, 365), (2015, 365)):
            with self.subTest(year=year):
                raw, result = self.clean(year)
                self.assertEqual(raw["rows"], days)
                self.assertEqual((result["days"], result["missing"]), (days, []))
                event = dict(self.statistics(result["target"]), year=year, days=days, target=self.path("page.html"))
                written = report.handler(event, None)
                self.assertEqual(written, {"report": self.path("page.html"), "months": 12})
                done = self.process("verify.py", REPORT=written["report"], MONTHS="12")
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_figures_are_those_of_the_table(self):
        _, result = self.clean(2015)
        statistics = self.statistics(result["target"])
        # Counted with awk over the raw table.
        self.assertEqual(statistics["rain"]["months"][0], [93.0, 14])
        self.assertEqual(statistics["temperature"]["months"][6][1:], [12.2, 35.0])
        self.assertEqual([len(one["months"]) for one in statistics.values()], [12, 12, 12])

    def test_the_page_says_so_when_the_wind_is_missing(self):
        _, result = self.clean(2014)
        event = dict(self.statistics(result["target"]), year=2014, days=365, target=self.path("page.html"), wind=None)
        report.handler(event, None)
        text = storage.read_text(self.path("page.html"))
        self.assertIn("no figures of the wind", text)
        self.assertNotIn("wind strongest", text)
        self.assertEqual(verify.findings(text, 12), [])

    def test_a_year_without_rows_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "no rows of 1999"):
            extract.handler({"year": 1999, "target": self.path("raw.csv")}, None)
        self.assertEqual(os.listdir(self.folder), [])

    def test_missing_days_and_impossible_rows_are_noticed(self):
        self.assertEqual(
            transform.missing_days(["2015-02-27", "2015-03-02"]), ["2015-02-28", "2015-03-01"]
        )
        with self.assertRaisesRegex(ValueError, "below the low"):
            transform.clean({"date": "2015/01/01", "temp_max": "1", "temp_min": "2"})

    def test_a_broken_page_is_refused(self):
        self.assertEqual(verify.findings("<p><b></p>", 0), ["</p> closes nothing", "<p> is not closed"])
        self.assertEqual(verify.findings("<table></table>", 12), ["0 rows in the table, but 12 months"])
        self.assertEqual(self.process("verify.py", REPORT=os.path.join(HERE, "verify.py"), MONTHS="1").returncode, 1)

    def test_addresses_of_s3_go_to_s3(self):
        objects = {}

        class Client:
            def put_object(self, Bucket, Key, Body):
                objects[Bucket, Key] = Body

            def get_object(self, Bucket, Key):
                return {"Body": types.SimpleNamespace(read=lambda: objects[Bucket, Key])}

        fake = types.SimpleNamespace(client=lambda service: Client())
        with mock.patch.dict(sys.modules, boto3=fake):
            self.assertEqual(storage.write_text("s3://lake/a/b.csv", "é\n"), "s3://lake/a/b.csv")
            self.assertEqual(storage.read_text("s3://lake/a/b.csv"), "é\n")
        self.assertEqual(list(objects), [("lake", "a/b.csv")])


if __name__ == "__main__":
    unittest.main()
