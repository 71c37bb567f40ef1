"""The pieces fail, and succeed once mended, as failing.toml says: python3 -m unittest discover pipelines/failing"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import load  # noqa: E402
import totals  # noqa: E402


def export(orders, target):
    return subprocess.run(
        [sys.executable, os.path.join(HERE, "export.py")],
        env={"PATH": os.environ["PATH"], "ORDERS": json.dumps(orders), "TARGET": target},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


class Failing(unittest.TestCase):
    def setUp(self):
        self.orders = load.handler({"source": os.path.join(HERE, "orders.jsonl")}, None)["orders"]

    def test_the_malformed_order_is_the_fourth(self):
        self.assertEqual([index for index, one in enumerate(self.orders) if "quantity" not in one], [3])

    def test_totals_raises_until_malformed_orders_are_left_out(self):
        with self.assertRaises(KeyError):
            totals.handler({"orders": self.orders, "skip_malformed": False}, None)
        mended = totals.handler({"orders": self.orders, "skip_malformed": True}, None)
        self.assertEqual(mended, {"total": 80.0})

    def test_export_exits_with_three_until_it_has_a_target(self):
        failed = export(self.orders, "")
        self.assertEqual(failed.returncode, 3)
        self.assertIn("TARGET is empty", failed.stderr.splitlines()[-1])
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "new", "orders.csv")
            self.assertEqual(export(self.orders, target).returncode, 0)
            with open(target) as file:
                self.assertEqual(len(file.readlines()), 6)


if __name__ == "__main__":
    unittest.main()
