# a first line of another kind
print("second line")
