/* SPDX-License-Identifier: MIT */
/* Names types and encodings as Redis does. */
#include "command/value.h"

#include "text/number.h"

enum {
    EMBEDDED_MOST = 44, /* bytes of a string that Redis keeps in one piece with its header */
    INTEGER_MOST = 20   /* bytes of the text of an integer */
};

const char *value_type_name(enum anystore_type type)
{
    switch (type) {
    case ANYSTORE_STRING:
        return "string";
    }
    return "unknown"; /* from a file of a newer version */
}

bool value_is_integer(const struct anystore_value *value, int64_t *number)
{
    return value->size <= INTEGER_MOST && number_parse(value->data, value->size, number);
}

/* Redis also says "raw" for a short string that was changed in place (APPEND, SETRANGE, SETBIT),
 * and "embstr" for a number that INCRBYFLOAT left.  The store does not note how a value came
 * about. */
const char *value_encoding(const struct anystore_value *value)
{
    int64_t number;
    if (value_is_integer(value, &number))
        return "int";
    return value->size <= EMBEDDED_MOST ? "embstr" : "raw";
}
