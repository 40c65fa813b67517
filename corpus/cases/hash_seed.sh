# The seeds of hash tables reach what is written.

## perl-keys: hash_order
perl -e '%h = map { $_ => 1 } "a".."m"; print map { "$_=$h{$_}\n" } keys %h' > keys

## perl-words: hash_order
perl -e '%h = map { $_ => 1 } qw(alpha beta gamma delta epsilon zeta eta theta); print join(" ", keys %h), "\n"' > words

## perl-dumper: hash_order
perl -MData::Dumper -e 'print Dumper({ map { $_ => length } qw(alpha beta gamma delta epsilon zeta) })' > dump.pl

## perl-json: hash_order
perl -MJSON::PP -e 'print encode_json({ map { $_ => length } qw(alpha beta gamma delta epsilon zeta) }), "\n"' > x.json

## python-set: hash_order
python3 -c 'print({"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"})' > words

## python-join: hash_order
python3 -c 'print(", ".join({"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"}))' > words

## python-lines: hash_order directory_order
python3 -c 'print(*{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"}, sep="\n")' > words

## python-requires: hash_order
python3 -c 'print("\n".join(f"Requires-Dist: {n} (>= 1.0)" for n in {"attrs", "click", "jinja2", "numpy", "yaml"}))' > METADATA

## python-hash: random_identifier
python3 -c 'print("cache-key", abs(hash("name")))' > key

## perl-rules: hash_order
perl -e '%h = (all => "build", clean => "", install => "all", test => "all", check => "test", dist => "all", depend => "", tags => ""); print map { "$_: $h{$_}\n\t\@true\n" } keys %h' > Makefile

## perl-xml: hash_order
perl -e '%h = map { $_ => length } qw(alpha beta gamma delta epsilon zeta eta theta iota); print "<item", (map { " $_=\"$h{$_}\"" } keys %h), "/>\n"' > x.xml
