/* ir_file.h - graph text as files: what the text elides lies beside it, in f.ir.safetensors. */
#ifndef DRIVER_IR_FILE_H
#define DRIVER_IR_FILE_H

#include "driver/session.h"
#include "ir/module_text.h"

/* Writes the module's text to `path` ("-": stdout, the text alone), and its data beside it if there
 * are any. */
bool ir_file_write(Session *session, const Module *module, const char *path, PrintOptions print);

/* The same in two steps, for a module that goes on changing. */
typedef struct {
  const char *text;
  StoredDataList data;
} IrFile;
IrFile ir_file_of(Session *session, const Module *module, PrintOptions print);
bool ir_file_put(Session *session, const IrFile *file, const char *path);

/* Gives a module that was read from `path` the data that lie beside it, checked by their hashes;
 * without that file the module can be verified and optimised, not run. False after errors. */
bool ir_file_attach(Session *session, Module *module, const char *path);

#endif
