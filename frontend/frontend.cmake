dlc_folder(frontend dlc_ir dlc_support)
