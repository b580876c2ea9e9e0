-- What happens at the end: to-be-closed variables, finalizers and buffers.
return {
  { "a script that ends", [[lua closes.lua]] },
  { "a script that raises", [[lua closes.lua error]] },
  { "a script that raises an object", [[lua closes.lua object]] },
  { "os.exit leaves everything as it is", [[lua closes.lua exit]] },
  { "os.exit that closes the state", [[lua closes.lua close]] },
  { "errors while closing", [[lua close_errors.lua]] },
  { "finalizers run in reverse order", [[lua finalizers.lua]] },
  { "a finalizer that raises at the end is silent",
    [[lua -e 'setmetatable({}, { __gc = function() error("gc") end }) print("end")']] },
  { "a finalizer that raises at the end warns with -W",
    [[lua -W -e 'setmetatable({}, { __gc = function() error("gc") end }) print("end")']] },
  { "a finalizer that raises a table warns with -W",
    [[lua -W -e 'setmetatable({}, { __gc = function() error({}) end }) print("end")']] },
  { "a finalizer that warns",
    [[lua -W -e 'setmetatable({}, { __gc = function() warn("from gc") end })']] },
  { "finalizers run after an error",
    [[lua -e 'setmetatable({}, { __gc = function() print("finalized") end }) error("e")']] },
  { "finalizers run after a syntax error in the script",
    [[lua -e 'setmetatable({}, { __gc = function() print("finalized") end })' malformed.lua]] },
  { "finalizers run after a missing script",
    [[lua -e 'setmetatable({}, { __gc = function() print("finalized") end })' missing.lua]] },
  { "a finalizer that exits",
    [[lua -e 'setmetatable({}, { __gc = function() os.exit(6) end }) print("end")']] },
  { "a finalizer that collects",
    [[lua -e 'setmetatable({}, { __gc = function() print(collectgarbage()) end }) print("end")']] },
  { "a finalizer that requires",
    [[lua -e 'setmetatable({}, { __gc = function() print(require("answer").value) end })
      print("end")']] },
  { "a finalizer of a table kept by a global",
    [[lua -e 'kept = setmetatable({}, { __gc = function() print(kept ~= nil, type(print))
      end })']] },
  { "a closed variable in -e",
    [[lua -e 'local x <close> = setmetatable({}, { __close = function() print("closed") end })
      print("body")' -e 'print("next")']] },
  { "a closed variable at the end of a block, a loop and a function",
    [[lua -e 'local function c(n) return setmetatable({}, { __close = function() print(n) end })
      end do local x <close> = c("block") end for i = 1, 2 do local x <close> = c(i)
      if i == 2 then break end end print((function() local x <close> = c("function")
      return "returned" end)())']] },
  { "the closing value of a for loop",
    [[lua -e 'for i in next, { 1 }, nil, setmetatable({}, { __close = function() print("closed")
      end }) do break end']] },
  { "a file left open is flushed",
    [[lua -e 'f = io.open("left.txt", "w") f:write("left open")'; cat left.txt]] },
  { "a file left open is flushed after an error",
    [[lua -e 'f = io.open("left.txt", "w") f:write("left open") error("e")'; cat left.txt]] },
  { "a file left open is flushed by os.exit",
    [[lua -e 'f = io.open("left.txt", "w") f:write("left open") os.exit(0)'; cat left.txt]] },
  { "a pipe left open is waited for",
    [[lua -e 'p = io.popen("cat; echo done", "w") p:write("to the pipe\n")'; echo after]] },
  { "the collector", [[lua collector.lua]] },
}
