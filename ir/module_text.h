/* module_text.h - the graph IR's text: printed, parsed and verified. parse(print(m)) == m. */
#ifndef IR_MODULE_TEXT_H
#define IR_MODULE_TEXT_H

#include "ir/graph.h"
#include "support/diag.h"

typedef struct {
  bool locations;    /* "at 6:8 via std:150:3" */
  const char *entry; /* this function alone; NULL: all */
} PrintOptions;

void module_print(Text *text, const Module *module, PrintOptions options);
void op_print(Text *text, const Op *op, PrintOptions options); /* one operation, for messages */

/* Reads text; NULL if there were errors. Elided data stays without bytes until
 * module_attach (weights by name and hash). `file` is the text's number in the sources. */
Module *module_parse(Arena *arena, Diagnostics *diagnostics, int32_t file);

/* Checks everything that passes may rely on: definitions before uses, types as inferred, complete
 * attributes, regions, declared results, symbols. NULL if it holds, else what does not, with the
 * operation. */
const char *module_verify(Arena *arena, const Module *module, const Op **where);

#endif
