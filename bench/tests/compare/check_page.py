#!/usr/bin/env python3
"""Reads an HTML page from standard input and fails unless it is well-formed and needs nothing from outside."""

import html.parser
import re
import sys

VOID = {"meta", "br", "hr", "img", "input", "link"}
FORBIDDEN_TAGS = {"script", "link", "iframe", "object", "embed", "img", "base"}
FORBIDDEN_ATTRIBUTES = {"src", "href", "xlink:href", "srcset", "data"}


class Checker(html.parser.HTMLParser):
    """Every tag is closed in order; no tag or attribute loads anything."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.errors = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        names = {name for name, _ in attrs}
        if tag in FORBIDDEN_TAGS or names & FORBIDDEN_ATTRIBUTES or any(name.startswith("on") for name in names):
            self.errors.append(f"line {self.getpos()[0]}: <{tag}> loads or runs something")
        for name, value in attrs:
            if value and re.search(r"nan|inf\b", value, re.IGNORECASE) and name != "class":
                self.errors.append(f"line {self.getpos()[0]}: {name}={value}")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"line {self.getpos()[0]}: </{tag}> closes something else")


def main():
    """Prints what was seen, or what is wrong."""
    text = sys.stdin.read()
    checker = Checker()
    checker.feed(text)
    checker.close()
    errors = checker.errors + [f"<{tag}> is not closed" for tag in checker.open]
    outside = re.sub(r"xmlns(:\w+)?=\"[^\"]*\"", "", text)
    errors += [f"refers to {word}" for word in ("http:", "https:", "//cdn", "@import", "url(") if word in outside]
    if errors:
        sys.exit("\n".join(errors))
    print(" ".join(f"{tag}={count}" for tag, count in sorted(checker.seen.items())))


if __name__ == "__main__":
    main()
