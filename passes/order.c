#include "passes/pass.h"

bool pass_order(PassContext *context) {
  (void)context;
  return true;
}
