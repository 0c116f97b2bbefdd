#ifndef APUS_COPENCL_SHIM_H
#define APUS_COPENCL_SHIM_H

#define CL_TARGET_OPENCL_VERSION 300
/* clCreateCommandQueue: the form that drivers of every version have. */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <CL/cl_ext.h>

#endif
