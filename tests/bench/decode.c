/* decode - what a network with a cache gives for the token after POS others: decode POS OUT.npy
 *
 * POS tokens, by formula, are read in one call; the first of them again, in a second one, finds the
 * cache that the first call left. Compiled by infer.py beside the network's header page.h, with
 * CLASSES, the number of its tokens; the entry is next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "tests/reference/formula.h"

static int write_row(const char *path, const float *values) {
  char head[128];
  FILE *f = fopen(path, "wb");
  if (!f) return 1;
  memset(head, ' ', sizeof head);
  memcpy(head, "\x93NUMPY\1\0\x76\0", 10);
  int length = snprintf(head + 10, sizeof head - 10,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, %d), }", CLASSES);
  head[10 + length] = ' ';
  head[sizeof head - 1] = '\n';
  fwrite(head, sizeof head, 1, f);
  fwrite(values, sizeof *values, CLASSES, f);
  int bad = ferror(f);
  return fclose(f) || bad;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int64_t count = atoll(argv[1]);
  page_context *net = NULL;
  float *logits = malloc(sizeof *logits * CLASSES);
  int64_t *token = malloc(sizeof *token * (size_t)(count + 1));
  if (!logits || !token) return 1;
  uint64_t hash = formula_hash("input ", "token");
  for (int64_t i = 0; i < count; i++) token[i] = formula_integer(hash, (uint64_t)i, 0, CLASSES);
  token[count] = formula_integer(hash, 0, 0, CLASSES);
  page_status status = page_open(&net, NULL, 2);
  if (!status) status = page_next(net, count, 0, token, logits);
  if (!status) status = page_next(net, 1, count, token + count, logits);
  if (status) fprintf(stderr, "decode: %s: %s\n", page_text(status), page_detail(net));
  if (!status && write_row(argv[2], logits)) {
    fprintf(stderr, "decode: cannot write %s\n", argv[2]);
    status = PAGE_BAD_FILE;
  }
  page_close(net);
  free(logits);
  free(token);
  return status != 0;
}
