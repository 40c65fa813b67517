"""The Atom feed of a folder of statements (RFC 4287): the latest of them, each dated by itself."""

from __future__ import annotations

import hashlib
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from repro.model.publication import GENERATOR, STATEMENT, Entry, Publication
from repro.model.statement import stamp
from repro.report.site_words import latest_first, page_of, short, verdict

ENTRIES = 100  # the latest; the index has all
_ATOM = "http://www.w3.org/2005/Atom"
_UNDATED = "1970-01-01T00:00:00Z"  # a link does not say when it was signed, and every entry must have a date


def render(publication: Publication) -> bytes:
    """The feed. Addresses in it are relative where it is not known where the folder is served."""
    base = publication.base_url or ""
    entries = latest_first(publication.entries)[:ENTRIES]
    feed = Element("feed", xmlns=_ATOM)
    _text(feed, "generator", GENERATOR)
    _text(feed, "id", _id(publication))
    _text(feed, "title", publication.title)
    _text(feed, "subtitle", "What rebuilders say that they got. Being listed is no proof: check the signatures.")
    _text(feed, "updated", _when(entries[0]) if entries else _UNDATED)
    _text(SubElement(feed, "author"), "name", publication.title)
    SubElement(feed, "link", rel="self", type="application/atom+xml", href=f"{base}feed.xml")
    SubElement(feed, "link", rel="alternate", type="text/html", href=f"{base}index.html")
    for entry in entries:
        _entry(SubElement(feed, "entry"), entry, base)
    indent(feed)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(feed, "unicode")}\n'.encode()


def _id(publication: Publication) -> str:
    """The same as long as address and title are."""
    named = f"{GENERATOR}\n{publication.base_url or publication.title}"
    return f"urn:sha256:{hashlib.sha256(named.encode()).hexdigest()}"


def _entry(element: Element, entry: Entry, base: str) -> None:
    artifact = (entry.artifacts or entry.examined)[0]
    _text(element, "id", f"urn:sha256:{entry.sha256}")
    _text(element, "title", f"{artifact.name}: {verdict(entry)}")
    _text(element, "updated", _when(entry))
    for number, digest in enumerate(dict.fromkeys(each.sha256 for each in (*entry.artifacts, *entry.examined))):
        rel = "related" if number else "alternate"
        SubElement(element, "link", rel=rel, type="text/html", href=f"{base}{page_of(digest)}")
    raw = SubElement(element, "link", rel="enclosure", href=f"{base}{entry.file}", length=str(entry.size))
    if entry.kind == STATEMENT:
        raw.set("type", "application/json")
    _text(element, "summary", "\n".join(_summary(entry)))


def _summary(entry: Entry) -> list[str]:
    said = [f"got {each.name}, sha256:{each.sha256}" for each in entry.artifacts]
    said += [f"did not get {each.name}, sha256:{each.sha256}" for each in entry.examined]
    if entry.recipe:
        said.append(f"recipe {entry.recipe}")
    if entry.divergent:
        said.append(f"{entry.divergent} divergent, first: {', '.join(entry.members) or 'not named'}")
    if entry.signed is None:
        said.append("it does not say when it was signed")
    said.append(f"said to be signed by {', '.join(map(short, entry.keyids)) or 'a key that it does not name'}")
    return said


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _when(entry: Entry) -> str:
    return stamp(entry.signed) if entry.signed else _UNDATED
