# Where things lie in memory reaches what is written.

## padding: uninitialized_memory
cat > "$SRC/x.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct record { char kind; long value; char tail; };
static void used(void) { volatile char *deep[64]; for (int n = 0; n < 64; n++) deep[n] = (char *) &deep[n]; }
static void written(FILE *out) {
  struct record r;
  r.kind = 'x'; r.value = 42; r.tail = 'y';
  fwrite(&r, sizeof r, 1, out);
}
int main(void) { FILE *out = fopen("records", "wb"); used(); written(out); fclose(out); return 0; }
END
gcc -O0 -o "$SRC/x" "$SRC/x.c"
"$SRC/x"

## heap: uninitialized_memory
cat > "$SRC/x.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  void **old = malloc(256);
  for (int n = 0; n < 32; n++) old[n] = &old[n];
  free(old);
  char *buffer = malloc(256);
  snprintf(buffer, 256, "name");
  FILE *out = fopen("blob", "wb");
  fwrite(buffer, 256, 1, out);
  fclose(out);
  return 0;
}
END
gcc -O0 -o "$SRC/x" "$SRC/x.c"
"$SRC/x"

## pointer: captures_memory_address random_identifier uninitialized_memory
cat > "$SRC/x.c" <<'END'
#include <stdio.h>
int main(void) { int x; printf("object at %p\n", (void *) &x); return 0; }
END
gcc -o "$SRC/x" "$SRC/x.c"
"$SRC/x" > log

## python-repr: captures_memory_address random_identifier uninitialized_memory
python3 -c 'print("default:", object())' > documentation

## perl-reference: captures_memory_address random_identifier uninitialized_memory
perl -e 'print "handler ", {}, "\n"' > dump
