/* unicode.h - UTF-8, and the classes of characters that texts are cut by. */
#ifndef DLRT_UNICODE_H
#define DLRT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* Letters are the general categories L*, numbers N*, spaces what has White_Space. */
typedef enum { DLRT_OTHER, DLRT_LETTER, DLRT_NUMBER, DLRT_SPACE } dlrt_class;

dlrt_class dlrt_class_of(uint32_t character);

/* Bytes of the character at `at` (before `end`), 1 to 4; 0: what stands there is no UTF-8 (cut
 * short, longer than needed, a surrogate, beyond U+10FFFF). */
size_t dlrt_utf8(const unsigned char *at, const unsigned char *end, uint32_t *character);
/* Writes 1 to 4 bytes. */
size_t dlrt_utf8_put(uint32_t character, unsigned char *to);

#endif
