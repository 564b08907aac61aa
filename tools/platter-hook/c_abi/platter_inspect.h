/* libplatter_inspect: judges an image from a stranger while it arrives, for programs in any language. docs/hook.md has
   the policy and the JSON.

   One thread at a time uses an inspection; different inspections are independent. At most about 1 MiB of the image is
   held. Nothing is opened, and there is no sandbox: that is platter-hook's. */
#ifndef PLATTER_INSPECT_H
#define PLATTER_INSPECT_H

/* This is C. NOLINTBEGIN(modernize-deprecated-headers,readability-identifier-naming) */
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Verdicts; the exit codes of platter-hook. */
enum { PLATTER_ACCEPTED = 0, PLATTER_REFUSED = 1, PLATTER_UNDECIDED = 2 };

typedef struct platter_inspection platter_inspection;

/* `policy`: the text of a policy file; NULL or "" for the defaults. NULL when there is no memory. A policy that cannot
   be read makes every verdict PLATTER_UNDECIDED, with the reason in the JSON's member "error". */
platter_inspection* platter_inspection_create(const char* policy);

/* The bytes that follow, in pieces of any size. PLATTER_REFUSED as soon as nothing that follows can change that;
   PLATTER_UNDECIDED otherwise. Once platter_inspection_verdict was called, bytes are ignored. */
int platter_inspection_feed(platter_inspection* inspection, const void* bytes, size_t size);

/* The image has ended: its verdict. `json`, unless NULL, is set to the whole answer, which belongs to the inspection
   and lives as long as it does. Further calls say the same. */
int platter_inspection_verdict(platter_inspection* inspection, const char** json);

/* NULL is allowed. */
void platter_inspection_destroy(platter_inspection* inspection);

/* NOLINTEND(modernize-deprecated-headers,readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif
