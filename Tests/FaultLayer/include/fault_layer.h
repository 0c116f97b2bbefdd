#ifndef APUS_FAULT_LAYER_H
#define APUS_FAULT_LAYER_H

#include <stddef.h>

/* The calls that can be made to fail, in no order; NULL beyond the last one. */
const char *fault_layer_function(size_t index);

/* Lets a call fail once with a status, the nth from now on; counts calls anew. NULL lets none fail. */
void fault_layer_arm(const char *function, int status, unsigned nth);

/* Lets the call that is armed lose all contexts: nothing works until a new one is made, and queues never again. */
void fault_layer_lose_contexts(void);

/* How often a function was called since the layer was armed. */
unsigned fault_layer_calls(const char *function);

/* Whether the call that was armed has failed. */
int fault_layer_has_failed(void);

/* References that the process holds to queues, buffers, programs, kernels and events. */
int fault_layer_live_objects(void);

/* References that the process holds to contexts. */
int fault_layer_live_contexts(void);

#endif
