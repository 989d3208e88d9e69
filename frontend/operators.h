/* operators.h - the builtins' functions and how they read their arguments. Private to frontend/. */
#ifndef FRONTEND_OPERATORS_H
#define FRONTEND_OPERATORS_H

#include "frontend/elaborator.h"

#define BUILTIN(name, signature) BuiltinFunction builtin_##name;
#include "frontend/builtins.def"

/* All report and give false, NULL or the ERROR object if argument `i` is of another kind. */
Object *wrong_argument(const BuiltinCall *call, int i, const char *wanted);
Value *tensor_argument(const BuiltinCall *call, int i, const Element *element);
bool integer_argument(const BuiltinCall *call, int i, int64_t *value);
bool flag_argument(const BuiltinCall *call, int i, bool *value);
bool number_argument(const BuiltinCall *call, int i, Number *value);
bool type_argument(const BuiltinCall *call, int i, Type *type);
/* A list of sizes, or one. */
bool dims_argument(const BuiltinCall *call, int i, const Dim **dims, int *count, int most);
/* Axes of a tensor of `rank`, negative ones counted from the end; None: all. */
bool axes_argument(const BuiltinCall *call, int i, int rank, int64_t *axes, int *count);
bool axis_argument(const BuiltinCall *call, int i, int rank, int64_t *axis);

Attribute dims_attribute(Elaborator *e, AttributeName name, const Dim *const *dims, int count);
Attribute integers_attribute(Elaborator *e, AttributeName name, const int64_t *values, int count);
Attribute integer_attribute(Elaborator *e, AttributeName name, int64_t value);

#endif
