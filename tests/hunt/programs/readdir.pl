opendir(my $folder, "listed") or die;
print "$_\n" for readdir($folder);
