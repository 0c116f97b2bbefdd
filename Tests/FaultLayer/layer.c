/*
 * An OpenCL layer (CL/cl_layer.h) that lets one call fail: the driver is not called, the status is returned.
 *
 * Load it with OPENCL_LAYERS. It is armed by APUS_FAULT=function:status:nth, such as clEnqueueReadBuffer:-36:1, or by
 * fault_layer_arm, which a program that has loaded it finds with dlsym.
 */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl_layer.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_layer.h"

/* Releases are left out: a process cannot give back what the driver refuses to take. */
#define FUNCTIONS(X)                                                                                                   \
    X(clGetPlatformIDs)                                                                                                \
    X(clGetPlatformInfo)                                                                                               \
    X(clGetDeviceIDs)                                                                                                  \
    X(clGetDeviceInfo)                                                                                                 \
    X(clCreateContext)                                                                                                 \
    X(clCreateCommandQueue)                                                                                            \
    X(clCreateBuffer)                                                                                                  \
    X(clCreateSubBuffer)                                                                                               \
    X(clCreateProgramWithSource)                                                                                       \
    X(clCreateProgramWithBinary)                                                                                       \
    X(clBuildProgram)                                                                                                  \
    X(clCompileProgram)                                                                                                \
    X(clLinkProgram)                                                                                                   \
    X(clGetProgramInfo)                                                                                                \
    X(clGetProgramBuildInfo)                                                                                           \
    X(clCreateKernel)                                                                                                  \
    X(clSetKernelArg)                                                                                                  \
    X(clGetKernelInfo)                                                                                                 \
    X(clGetKernelWorkGroupInfo)                                                                                        \
    X(clEnqueueNDRangeKernel)                                                                                          \
    X(clEnqueueReadBuffer)                                                                                             \
    X(clEnqueueWriteBuffer)                                                                                            \
    X(clEnqueueCopyBuffer)                                                                                             \
    X(clEnqueueFillBuffer)                                                                                             \
    X(clEnqueueMarkerWithWaitList)                                                                                     \
    X(clEnqueueBarrierWithWaitList)                                                                                    \
    X(clFlush)                                                                                                         \
    X(clFinish)                                                                                                        \
    X(clWaitForEvents)                                                                                                 \
    X(clGetEventInfo)                                                                                                  \
    X(clGetEventProfilingInfo)

#define INDEX(name) index_##name,
#define NAME(name) #name,
enum { FUNCTIONS(INDEX) function_count };
static const char *const names[function_count] = {FUNCTIONS(NAME)};

typedef void(CL_CALLBACK *notify_context)(const char *, const void *, size_t, void *);
typedef void(CL_CALLBACK *notify_program)(cl_program, void *);

static struct _cl_icd_dispatch next;
static struct _cl_icd_dispatch table;

static _Atomic unsigned calls[function_count];
static _Atomic int armed_function = -1;
static _Atomic int armed_status;
static _Atomic unsigned armed_call;
static _Atomic int has_failed;
static _Atomic int loses_contexts;
static _Atomic int is_lost;
static _Atomic int live_objects;
static _Atomic int live_contexts;

static int index_of(const char *function) {
    for (int index = 0; index < function_count; index++) {
        if (strcmp(names[index], function) == 0)
            return index;
    }
    return -1;
}

const char *fault_layer_function(size_t index) { return index < function_count ? names[index] : NULL; }

void fault_layer_arm(const char *function, int status, unsigned nth) {
    armed_function = -1;
    for (int index = 0; index < function_count; index++)
        calls[index] = 0;
    has_failed = 0;
    loses_contexts = 0;
    armed_status = status;
    armed_call = nth;
    if (function != NULL)
        armed_function = index_of(function);
}

void fault_layer_lose_contexts(void) { loses_contexts = 1; }

unsigned fault_layer_calls(const char *function) {
    const int index = index_of(function);
    return index < 0 ? 0 : calls[index];
}

int fault_layer_has_failed(void) { return has_failed; }

int fault_layer_live_objects(void) { return live_objects; }

int fault_layer_live_contexts(void) { return live_contexts; }

#define MAXIMUM_QUEUES 1024
static struct {
    cl_command_queue queue;
    int is_lost;
} queues[MAXIMUM_QUEUES];
static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;

static void replace_queue(cl_command_queue old, cl_command_queue made) {
    pthread_mutex_lock(&queues_lock);
    int index = 0;
    while (index < MAXIMUM_QUEUES && queues[index].queue != old)
        index++;
    if (index == MAXIMUM_QUEUES)
        abort();
    queues[index].queue = made;
    queues[index].is_lost = 0;
    pthread_mutex_unlock(&queues_lock);
}

static void lose_queues(void) {
    pthread_mutex_lock(&queues_lock);
    for (int index = 0; index < MAXIMUM_QUEUES; index++)
        queues[index].is_lost = queues[index].queue != NULL;
    pthread_mutex_unlock(&queues_lock);
}

static int is_lost_queue(cl_command_queue queue) {
    int result = 0;
    pthread_mutex_lock(&queues_lock);
    for (int index = 0; index < MAXIMUM_QUEUES; index++) {
        if (queues[index].queue == queue)
            result = queues[index].is_lost;
    }
    pthread_mutex_unlock(&queues_lock);
    return result;
}

/* The status to return in place of the call; CL_SUCCESS to call the driver. */
static cl_int fault(int index) {
    const unsigned call = ++calls[index];
    if (armed_function == index && call == armed_call) {
        has_failed = 1;
        if (loses_contexts) {
            is_lost = 1;
            lose_queues();
        }
        return armed_status;
    }
    if (index == index_clCreateContext)
        is_lost = 0;
    return is_lost ? CL_DEVICE_NOT_AVAILABLE : CL_SUCCESS;
}

static cl_int queue_fault(int index, cl_command_queue queue) {
    const cl_int status = fault(index);
    return status == CL_SUCCESS && is_lost_queue(queue) ? CL_INVALID_COMMAND_QUEUE : status;
}

#define STATUS(name, parameters, arguments)                                                                            \
    static cl_int CL_API_CALL layer_##name parameters {                                                                \
        const cl_int status = fault(index_##name);                                                                     \
        return status == CL_SUCCESS ? next.name arguments : status;                                                    \
    }

#define CREATE(name, type, live, parameters, arguments)                                                                \
    static type CL_API_CALL layer_##name parameters {                                                                  \
        const cl_int status = fault(index_##name);                                                                     \
        if (status != CL_SUCCESS) {                                                                                    \
            if (status_ret != NULL)                                                                                    \
                *status_ret = status;                                                                                  \
            return NULL;                                                                                               \
        }                                                                                                              \
        const type made = next.name arguments;                                                                         \
        if (made != NULL)                                                                                              \
            live++;                                                                                                    \
        return made;                                                                                                   \
    }

#define ENQUEUE(name, parameters, arguments)                                                                           \
    static cl_int CL_API_CALL layer_##name parameters {                                                                \
        cl_int status = queue_fault(index_##name, queue);                                                              \
        if (status != CL_SUCCESS)                                                                                      \
            return status;                                                                                             \
        status = next.name arguments;                                                                                  \
        if (status == CL_SUCCESS && event != NULL)                                                                     \
            live_objects++;                                                                                            \
        return status;                                                                                                 \
    }

#define WAIT(name)                                                                                                     \
    static cl_int CL_API_CALL layer_##name(cl_command_queue queue) {                                                   \
        const cl_int status = queue_fault(index_##name, queue);                                                        \
        return status == CL_SUCCESS ? next.name(queue) : status;                                                       \
    }

#define RELEASE(name, type, live)                                                                                      \
    static cl_int CL_API_CALL layer_##name(type object) {                                                              \
        live--;                                                                                                        \
        return next.name(object);                                                                                      \
    }

STATUS(clGetPlatformIDs, (cl_uint count, cl_platform_id *platforms, cl_uint *count_ret), (count, platforms, count_ret))
STATUS(clGetPlatformInfo,
       (cl_platform_id platform, cl_platform_info property, size_t size, void *value, size_t *size_ret),
       (platform, property, size, value, size_ret))
STATUS(clGetDeviceIDs,
       (cl_platform_id platform, cl_device_type type, cl_uint count, cl_device_id *devices, cl_uint *count_ret),
       (platform, type, count, devices, count_ret))
STATUS(clGetDeviceInfo, (cl_device_id device, cl_device_info property, size_t size, void *value, size_t *size_ret),
       (device, property, size, value, size_ret))
CREATE(clCreateContext, cl_context, live_contexts,
       (const cl_context_properties *properties, cl_uint count, const cl_device_id *devices, notify_context notify,
        void *data, cl_int *status_ret),
       (properties, count, devices, notify, data, status_ret))
static cl_command_queue CL_API_CALL layer_clCreateCommandQueue(cl_context context, cl_device_id device,
                                                               cl_command_queue_properties properties,
                                                               cl_int *status_ret) {
    const cl_int status = fault(index_clCreateCommandQueue);
    if (status != CL_SUCCESS) {
        if (status_ret != NULL)
            *status_ret = status;
        return NULL;
    }
    const cl_command_queue made = next.clCreateCommandQueue(context, device, properties, status_ret);
    if (made != NULL) {
        live_objects++;
        replace_queue(NULL, made);
    }
    return made;
}

CREATE(clCreateBuffer, cl_mem, live_objects,
       (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *status_ret),
       (context, flags, size, host, status_ret))
CREATE(clCreateSubBuffer, cl_mem, live_objects,
       (cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *region, cl_int *status_ret),
       (buffer, flags, type, region, status_ret))
CREATE(clCreateProgramWithSource, cl_program, live_objects,
       (cl_context context, cl_uint count, const char **texts, const size_t *sizes, cl_int *status_ret),
       (context, count, texts, sizes, status_ret))
CREATE(clCreateProgramWithBinary, cl_program, live_objects,
       (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *sizes,
        const unsigned char **binaries, cl_int *binary_status, cl_int *status_ret),
       (context, count, devices, sizes, binaries, binary_status, status_ret))
STATUS(clBuildProgram,
       (cl_program program, cl_uint count, const cl_device_id *devices, const char *options, notify_program notify,
        void *data),
       (program, count, devices, options, notify, data))
STATUS(clCompileProgram,
       (cl_program program, cl_uint count, const cl_device_id *devices, const char *options, cl_uint header_count,
        const cl_program *headers, const char **names, notify_program notify, void *data),
       (program, count, devices, options, header_count, headers, names, notify, data))
CREATE(clLinkProgram, cl_program, live_objects,
       (cl_context context, cl_uint count, const cl_device_id *devices, const char *options, cl_uint program_count,
        const cl_program *programs, notify_program notify, void *data, cl_int *status_ret),
       (context, count, devices, options, program_count, programs, notify, data, status_ret))
STATUS(clGetProgramInfo, (cl_program program, cl_program_info property, size_t size, void *value, size_t *size_ret),
       (program, property, size, value, size_ret))
STATUS(clGetProgramBuildInfo,
       (cl_program program, cl_device_id device, cl_program_build_info property, size_t size, void *value,
        size_t *size_ret),
       (program, device, property, size, value, size_ret))
CREATE(clCreateKernel, cl_kernel, live_objects, (cl_program program, const char *name, cl_int *status_ret),
       (program, name, status_ret))
STATUS(clSetKernelArg, (cl_kernel kernel, cl_uint index, size_t size, const void *value), (kernel, index, size, value))
STATUS(clGetKernelInfo, (cl_kernel kernel, cl_kernel_info property, size_t size, void *value, size_t *size_ret),
       (kernel, property, size, value, size_ret))
STATUS(clGetKernelWorkGroupInfo,
       (cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info property, size_t size, void *value,
        size_t *size_ret),
       (kernel, device, property, size, value, size_ret))
ENQUEUE(clEnqueueNDRangeKernel,
        (cl_command_queue queue, cl_kernel kernel, cl_uint rank, const size_t *offset, const size_t *global_size,
         const size_t *local_size, cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, kernel, rank, offset, global_size, local_size, wait_count, wait_list, event))
ENQUEUE(clEnqueueReadBuffer,
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size, void *target,
         cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, buffer, blocking, offset, size, target, wait_count, wait_list, event))
ENQUEUE(clEnqueueWriteBuffer,
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size, const void *source,
         cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, buffer, blocking, offset, size, source, wait_count, wait_list, event))
ENQUEUE(clEnqueueCopyBuffer,
        (cl_command_queue queue, cl_mem source, cl_mem target, size_t source_offset, size_t target_offset, size_t size,
         cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, source, target, source_offset, target_offset, size, wait_count, wait_list, event))
ENQUEUE(clEnqueueFillBuffer,
        (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t pattern_size, size_t offset, size_t size,
         cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, buffer, pattern, pattern_size, offset, size, wait_count, wait_list, event))
ENQUEUE(clEnqueueMarkerWithWaitList,
        (cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, wait_count, wait_list, event))
ENQUEUE(clEnqueueBarrierWithWaitList,
        (cl_command_queue queue, cl_uint wait_count, const cl_event *wait_list, cl_event *event),
        (queue, wait_count, wait_list, event))
WAIT(clFlush)
WAIT(clFinish)
STATUS(clWaitForEvents, (cl_uint count, const cl_event *events), (count, events))
STATUS(clGetEventInfo, (cl_event event, cl_event_info property, size_t size, void *value, size_t *size_ret),
       (event, property, size, value, size_ret))
STATUS(clGetEventProfilingInfo,
       (cl_event event, cl_profiling_info property, size_t size, void *value, size_t *size_ret),
       (event, property, size, value, size_ret))
RELEASE(clReleaseContext, cl_context, live_contexts)

static cl_int CL_API_CALL layer_clReleaseCommandQueue(cl_command_queue queue) {
    live_objects--;
    replace_queue(queue, NULL);
    return next.clReleaseCommandQueue(queue);
}
RELEASE(clReleaseMemObject, cl_mem, live_objects)
RELEASE(clReleaseProgram, cl_program, live_objects)
RELEASE(clReleaseKernel, cl_kernel, live_objects)
RELEASE(clReleaseEvent, cl_event, live_objects)

cl_int CL_API_CALL clGetLayerInfo(cl_layer_info property, size_t size, void *value, size_t *size_ret) {
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const char name[] = "Apus fault layer";
    const void *answer;
    size_t answer_size;
    switch (property) {
    case CL_LAYER_API_VERSION:
        answer = &version;
        answer_size = sizeof version;
        break;
    case CL_LAYER_NAME:
        answer = name;
        answer_size = sizeof name;
        break;
    default:
        return CL_INVALID_VALUE;
    }
    if (value != NULL) {
        if (size < answer_size)
            return CL_INVALID_VALUE;
        memcpy(value, answer, answer_size);
    }
    if (size_ret != NULL)
        *size_ret = answer_size;
    return CL_SUCCESS;
}

static void arm_from_environment(void) {
    const char *text = getenv("APUS_FAULT");
    char function[64];
    int status;
    unsigned nth;
    if (text == NULL)
        return;
    if (sscanf(text, "%63[A-Za-z]:%d:%u", function, &status, &nth) != 3 || index_of(function) < 0) {
        fprintf(stderr, "APUS_FAULT is %s, not function:status:nth of a known function\n", text);
        abort();
    }
    fault_layer_arm(function, status, nth);
}

cl_int CL_API_CALL clInitLayer(cl_uint count, const struct _cl_icd_dispatch *target, cl_uint *count_ret,
                               const struct _cl_icd_dispatch **layer) {
    const size_t entry_size = sizeof(void *);
    const cl_uint known = sizeof table / entry_size;
    if (target == NULL || count_ret == NULL || layer == NULL)
        return CL_INVALID_VALUE;
    memcpy(&next, target, (count < known ? count : known) * entry_size);
    table = next;
#define REPLACE(name) table.name = layer_##name;
    FUNCTIONS(REPLACE)
    REPLACE(clReleaseContext)
    REPLACE(clReleaseCommandQueue)
    REPLACE(clReleaseMemObject)
    REPLACE(clReleaseProgram)
    REPLACE(clReleaseKernel)
    REPLACE(clReleaseEvent)
    arm_from_environment();
    *count_ret = known;
    *layer = &table;
    return CL_SUCCESS;
}
