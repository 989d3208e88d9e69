/* debug.c - DWARF that points to the .dl text: lines alone, one a statement; kernels' names are
 * symbols. The folder is "." and no path is absolute, so that output does not depend on where it
 * was made. */
#include "backend/emission.h"

#include <string.h>

enum { DWARF_VERSION = 4 }; /* 5 is larger, and not all tools of Debian 12 read it */

static LLVMMetadataRef file_of(Emission *e, const char *name) {
  for (size_t i = 0; i < e->debug_file_names.count; i++)
    if (strcmp(e->debug_file_names.items[i], name) == 0) return e->debug_files.items[i];
  LLVMMetadataRef file = LLVMDIBuilderCreateFile(e->debug, name, strlen(name), ".", 1);
  vec_push(e->arena, &e->debug_file_names, name);
  vec_push(e->arena, &e->debug_files, file);
  return file;
}

static void flag(Emission *e, const char *name, unsigned value) {
  LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                    LLVMValueAsMetadata(LLVMConstInt(e->i32, value, false)));
}

void debug_start(Emission *e) {
  if (e->options.no_debug) return;
  flag(e, "Debug Info Version", LLVMDebugMetadataVersion());
  flag(e, "Dwarf Version", DWARF_VERSION);
  e->debug = LLVMCreateDIBuilder(e->module);
  static const char producer[] = "dlc " DLC_VERSION;
  const char *source = e->options.source ? e->options.source : "model.dl";
  e->debug_unit = LLVMDIBuilderCreateCompileUnit(
      e->debug, LLVMDWARFSourceLanguageC99, file_of(e, source), producer, sizeof producer - 1, true,
      "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, false, false, "", 0, "", 0);
  LLVMMetadataRef none = NULL;
  e->debug_type =
      LLVMDIBuilderCreateSubroutineType(e->debug, file_of(e, source), &none, 1, LLVMDIFlagZero);
}

void debug_function(Emission *e, LLVMValueRef function, const char *name, LoopPlace place) {
  if (!e->debug) return;
  const char *source = e->options.source ? e->options.source : "model.dl";
  LLVMMetadataRef file = file_of(e, place.file ? place.file : source);
  unsigned line = place.line > 0 ? (unsigned)place.line : 0;
  e->debug_scope = LLVMDIBuilderCreateFunction(e->debug, file, name, strlen(name), name,
                                               strlen(name), file, line, e->debug_type, false, true,
                                               line, LLVMDIFlagArtificial, true);
  LLVMSetSubprogram(function, e->debug_scope);
}

void debug_place(Emission *e, LoopPlace place) {
  if (!e->debug || !e->debug_scope) return;
  LLVMMetadataRef scope = e->debug_scope;
  if (place.file) {
    LLVMMetadataRef file = file_of(e, place.file);
    if (file != LLVMDIScopeGetFile(scope))
      scope = LLVMDIBuilderCreateLexicalBlockFile(e->debug, scope, file, 0);
  }
  LLVMMetadataRef location =
      LLVMDIBuilderCreateDebugLocation(e->context, place.line > 0 ? (unsigned)place.line : 0,
                                       place.column > 0 ? (unsigned)place.column : 0, scope, NULL);
  LLVMSetCurrentDebugLocation2(e->builder, location);
}

void debug_finish(Emission *e) {
  if (!e->debug) return;
  LLVMDIBuilderFinalize(e->debug);
  LLVMDisposeDIBuilder(e->debug);
  e->debug = NULL;
  LLVMSetCurrentDebugLocation2(e->builder, NULL);
}
