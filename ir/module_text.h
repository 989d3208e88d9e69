/* module_text.h - the graph IR's text: printed, parsed and verified. parse(print(m)) == m.
 *
 * Data of more than DATA_MOST_SHOWN numbers are elided to a hash and first values. They are kept
 * beside the text in a .safetensors file: module_stored_data lists what to write there,
 * module_attach gives back what was read.
 */
#ifndef IR_MODULE_TEXT_H
#define IR_MODULE_TEXT_H

#include "ir/graph.h"
#include "support/diag.h"

typedef struct {
  bool locations;    /* "at 6:8 via std:150:3" */
  bool why;          /* "# direct 2.05 ms (chosen), ..." before what was chosen */
  const char *entry; /* this function alone; NULL: all */
} PrintOptions;

void module_print(Text *text, const Module *module, PrintOptions options);
/* One operation in one line, for messages; of a region only that it is there. */
void op_print(Text *text, const Op *op, PrintOptions options);
void value_print(Text *text, const Value *value); /* "%7", "%image" */

/* Reads text; NULL if there were errors. Elided data stays without bytes until
 * module_attach (weights by name and hash). `file` is the text's number in the sources. */
Module *module_parse(Arena *arena, Diagnostics *diagnostics, int32_t file);
/* The same, of a module that `check`, too, finds nothing wrong with: what is wrong, or NULL; where
 * the operation. */
typedef const char *ModuleCheck(Arena *arena, Module *module, const Op **where);
Module *module_parse_checked(Arena *arena, Diagnostics *diagnostics, int32_t file,
                             ModuleCheck *check);

enum { DATA_MOST_SHOWN = 8 };

typedef struct {
  const char *name; /* the tensor's, or a constant's hash */
  const Type *type;
  const Data *data;
} StoredData;
typedef VEC(StoredData) StoredDataList;

/* What print elides, each name once; elided data without bytes too. */
StoredDataList module_stored_data(const Module *module);
/* Gives data to all that are elided under this name. Returns their number, or -1 and a message (in
 * the module's arena) if element type, count or hash differ. */
int module_attach(Module *module, const char *name, Element element, int64_t count,
                  const void *bytes, const char **message);

/* Checks everything that passes may rely on: definitions before uses, types as inferred, complete
 * attributes, regions, declared results, symbols. NULL if it holds, else what does not, with the
 * operation. */
const char *module_verify(Arena *arena, const Module *module, const Op **where);

#endif
