# libdlrt: what a compiled model is linked with. C11 and POSIX; knows nothing of the compiler.
file(GLOB runtime_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)
add_library(dlrt STATIC ${runtime_sources})
target_include_directories(dlrt PUBLIC ${CMAKE_SOURCE_DIR})
target_compile_options(dlrt PRIVATE -ffunction-sections -fdata-sections)
target_link_libraries(dlrt PUBLIC m Threads::Threads)
