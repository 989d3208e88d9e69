dlc_folder(backend dlc_ir dlc_support)
target_include_directories(dlc_backend SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS})
target_link_directories(dlc_backend PUBLIC ${LLVM_LIBRARY_DIRS})
target_link_libraries(dlc_backend PUBLIC LLVM-19)
