//! What the scripted model knows about `fixtures/shop`: an answer for each of its six tasks.

use super::{Script, Turn};

/// The six tasks.
pub(crate) const TASKS: [&str; 6] = ["catalog", "checkout", "counting", "discounts", "receipt", "removal"];

/// `shop/cart.py` after both tasks that change it.
pub(crate) const CART: &str = r#""""What a customer has chosen."""


class Cart:
    """Things, and how many of each."""

    def __init__(self):
        self.lines = {}

    def add(self, name, count=1):
        """Puts so many more of a thing in."""
        if count < 1:
            raise ValueError("a count is at least 1")
        self.lines[name] = self.lines.get(name, 0) + count

    def remove(self, name):
        """Takes all of a thing out."""
        del self.lines[name]

    def is_empty(self):
        """Whether nothing was chosen."""
        return not self.lines

    def count(self):
        """How many things there are in all."""
        return sum(self.lines.values())
"#;

/// `shop/catalog.py`.
pub(crate) const CATALOG: &str = r#""""What is sold, and for how much."""

PRICES = {"tea": 450, "kettle": 3900}


def price(name):
    """The price of one, in cents."""
    return PRICES[name]
"#;

const DISCOUNTS: &str = r#""""What is taken off."""


def discounted(cents):
    """10 percent less from 100 EUR on, never rounded in favour of the shop."""
    return cents * 9 // 10 if cents >= 10000 else cents
"#;

const TEST_DISCOUNTS: &str = r#"import unittest

from shop.discounts import discounted


class DiscountsTest(unittest.TestCase):
    def test_much_costs_less(self):
        self.assertEqual(discounted(9999), 9999)
        self.assertEqual(discounted(10000), 9000)
"#;

const CHECKOUT: &str = r#""""What a cart costs."""

from shop.catalog import price
from shop.discounts import discounted


def total(cart):
    """The prices of all lines, and the discount on their sum, in cents."""
    return discounted(sum(price(name) * count for name, count in cart.lines.items()))
"#;

const RECEIPT: &str = r#""""What a customer takes home besides the things."""

from shop.catalog import price
from shop.checkout import total
from shop.money import euros


def receipt(cart):
    """A line for each thing, sorted by name, then their number and the total."""
    lines = [f"{count} x {name}: {euros(price(name) * count)}" for name, count in sorted(cart.lines.items())]
    return "\n".join([*lines, f"{cart.count()} things", f"total: {euros(total(cart))}"])
"#;

const TEST_RECEIPT: &str = r#"import unittest

from shop.cart import Cart
from shop.receipt import receipt


class ReceiptTest(unittest.TestCase):
    def test_a_receipt(self):
        cart = Cart()
        cart.add("tea", 2)
        cart.add("kettle", 3)
        cart.add("milk")
        cart.remove("milk")
        expected = "3 x kettle: 117.00 EUR\n2 x tea: 9.00 EUR\n5 things\ntotal: 113.40 EUR"
        self.assertEqual(receipt(cart), expected)
"#;

const LAST_OF_ADD: &str = "        self.lines[name] = self.lines.get(name, 0) + count\n";
/// The method that `removal` adds.
pub(crate) const REMOVE: &str =
    "    def remove(self, name):\n        \"\"\"Takes all of a thing out.\"\"\"\n        del self.lines[name]\n";
const LAST_OF_CART: &str = "        return not self.lines\n";
const COUNT: &str = "    def count(self):\n        \"\"\"How many things there are in all.\"\"\"\n        return sum(self.lines.values())\n";

/// A model that does all six well.
pub(crate) fn script() -> Script {
    Script::new()
        .task("catalog", [Turn::write("shop/catalog.py", CATALOG), Turn::say("The catalog is there.")])
        .task(
            "discounts",
            [
                Turn::write("shop/discounts.py", DISCOUNTS),
                Turn::write("tests/test_discounts.py", TEST_DISCOUNTS),
                Turn::say("Done."),
            ],
        )
        .task("removal", removal(REMOVE))
        .task(
            "counting",
            [
                Turn::edit("shop/cart.py", LAST_OF_CART, &format!("{LAST_OF_CART}\n{COUNT}")),
                Turn::shell("python3 -B -c 'from shop.cart import Cart; print(Cart().count())'"),
                Turn::say("A cart can be counted."),
            ],
        )
        .task("checkout", [Turn::write("shop/checkout.py", CHECKOUT), Turn::say("Done.")])
        .task(
            "receipt",
            [
                Turn::write("shop/receipt.py", RECEIPT),
                Turn::write("tests/test_receipt.py", TEST_RECEIPT),
                Turn::say("Done."),
            ],
        )
}

/// The same with another conversation about one of them.
pub(crate) fn script_with(task: &str, turns: impl IntoIterator<Item = Turn>) -> Script {
    script().instead(task, turns)
}

/// The conversation of `removal`, with this method.
pub(crate) fn removal(method: &str) -> [Turn; 2] {
    [Turn::edit("shop/cart.py", LAST_OF_ADD, &format!("{LAST_OF_ADD}\n{method}")), Turn::say("A thing can be removed.")]
}
