/* header.h - the C header of a program: its documentation and its ABI. */
#ifndef BACKEND_HEADER_H
#define BACKEND_HEADER_H

#include "backend/descriptor.h"

/* Writes it; the functions are those that emit_programs makes with `options`. `library`: the file
 * that has them, "liblenet.a". */
void header_print(Text *text, const NativeProgram *program, DescriptorOptions options,
                  const char *library);

/* Bytes of a context: `fixed` + threads * `each`, by the formula of runtime/model.h. */
void context_size(const NativeProgram *program, int64_t *fixed, int64_t *each);

/* `name` as C can have it: other characters become '_', a keyword gets one at its end. */
const char *c_name(Arena *arena, const char *name);

#endif
