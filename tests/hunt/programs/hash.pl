my %seen = map { $_ => 1 } "a" .. "z";
print join(" ", keys %seen), "\n";
