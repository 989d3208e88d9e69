/* weights.h - parameters from a .safetensors file, by name. */
#ifndef DRIVER_WEIGHTS_H
#define DRIVER_WEIGHTS_H

#include "driver/session.h"
#include "ir/graph.h"

/* What the file says of the data that its parameters were trained on (metadata dlc.inputs,
 * dlc.classes, dlc.vocabulary); NULL: nothing. */
typedef struct {
  const char *inputs, *classes, *vocabulary;
} WeightsNotes;

/* Gives each parameter and state of the module its data from the file (mapped until the end of the
 * process where its type is stored as such; f16, bf16 and f64 are converted). `--rename` is
 * honoured. Names that are missing, or of another shape, are errors with the nearest names. */
bool weights_load(Session *session, Module *module, const char *path, WeightsNotes *notes);

#endif
