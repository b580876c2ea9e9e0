print(require "raises")
