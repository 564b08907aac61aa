/* Judges the standard input: cc inspect.c $(pkg-config --cflags --libs platter-inspect) */
#include <platter_inspect.h>
#include <stdio.h>

int main(int argc, char** argv) {
  static char piece[65536];
  const char* answer = NULL;
  int verdict = PLATTER_UNDECIDED;
  size_t size;
  platter_inspection* inspection = platter_inspection_create(argc > 1 ? argv[1] : NULL);
  if (inspection == NULL) return PLATTER_UNDECIDED;
  while ((size = fread(piece, 1, sizeof piece, stdin)) > 0) {
    /* An upload could end here: no byte that follows makes it better. */
    if (platter_inspection_feed(inspection, piece, size) == PLATTER_REFUSED) fputs("refused early\n", stderr);
  }
  verdict = platter_inspection_verdict(inspection, &answer);
  puts(answer);
  platter_inspection_destroy(inspection);
  return verdict;
}
