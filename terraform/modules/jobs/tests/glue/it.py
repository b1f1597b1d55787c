print("it")
