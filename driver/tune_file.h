/* tune_file.h - what --tune has measured, as a small file to read and to keep.
 *
 *   # dlc --tune: the fastest candidate of each operation comes first, with its time in
 * microseconds znver3 2 conv f32[1,64,56,56] f32[64,64,3,3]* {pad=[[1,1],[1,1]]} : direct/16
 * 1023.5, loop 22190
 *
 * A line is a CPU, the threads (0: all of the machine), the operation with its operands (*: known
 * while compiling), and after " : " its candidates. The first one is taken, whatever the times say;
 * a line that is removed is measured anew. Lines that begin with # say nothing.
 */
#ifndef DRIVER_TUNE_FILE_H
#define DRIVER_TUNE_FILE_H

#include "driver/session.h"
#include "support/intern.h"
#include "support/map.h"

typedef struct {
  const char *name; /* "direct/16" */
  double seconds;
} TuneTime;

typedef struct {
  const char *key;
  VEC(TuneTime) times; /* the first one is taken */
  uint32_t at, length; /* of its line, if it was read */
} TuneFinding;

typedef struct {
  const char *path;
  Text text; /* of the file */
  VEC(TuneFinding) findings;
  Interner *keys;
  Map numbers;       /* of findings from 1, by interned keys */
  bool grown;        /* something was added */
  const char *bytes; /* as it was read */
  size_t length;
} TuneFile;

/* A file that is not there is empty. False after a diagnostic (E0501, E0512). */
bool tune_file_read(Session *session, const char *path, TuneFile *file);
/* Where a finding that was read stands; SPAN_NONE of others. */
Span tune_file_place(Session *session, TuneFile *file, const TuneFinding *finding);
const TuneFinding *tune_file_find(const TuneFile *file, const char *key); /* or NULL */
/* Sorts the times, fastest first. */
void tune_file_add(Session *session, TuneFile *file, TuneFinding finding);
/* Writes it if something was added since. */
bool tune_file_write(Session *session, TuneFile *file);

#endif
