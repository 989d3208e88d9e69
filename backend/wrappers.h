/* wrappers.h - the functions that emit_programs adds to a module; `model` is the table. */
#ifndef BACKEND_WRAPPERS_H
#define BACKEND_WRAPPERS_H

#include "backend/descriptor.h"
#include "backend/emission.h"

void emit_wrappers(Emission *e, const NativeProgram *program, DescriptorOptions options,
                   LLVMValueRef model);
void emit_main(Emission *e, LLVMValueRef model);

#endif
