/* SPDX-License-Identifier: MIT */
/* The version of this program. */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

#define ANYSTORE_VERSION_TEXT "0.1.0"

#endif
