-- The main chunk is no coroutine, and coroutines are what they are in lua5.4.
return {
  { "yield in the main chunk", [[lua -e 'coroutine.yield(1)']] },
  { "yield in the main chunk, caught", [[lua -e 'print(pcall(coroutine.yield, 1))']] },
  { "yield in a script",
    [[echo 'print(1) coroutine.yield() print(2)' >yields.lua; lua yields.lua]] },
  { "the main chunk cannot yield", [[lua -e 'print(coroutine.isyieldable())']] },
  { "the main chunk runs in the main thread",
    [[lua -e 'local co, main = coroutine.running() print(type(co), main, coroutine.status(co),
      coroutine.isyieldable(co))']] },
  { "a script runs in the main thread",
    [[echo 'print(select(2, coroutine.running()))' >running.lua; lua running.lua]] },
  { "a coroutine is not the main thread",
    [[lua -e 'print(coroutine.wrap(function() local co, main = coroutine.running() return main,
      coroutine.status(co), coroutine.isyieldable() end)())']] },
  { "the registry's main thread is the running one",
    [[lua -e 'print(debug.getregistry()[1] == coroutine.running())']] },
  { "the main thread cannot be resumed",
    [[lua -e 'print(coroutine.resume(coroutine.running()))']] },
  { "the main thread cannot be resumed from a coroutine",
    [[lua -e 'local main = coroutine.running() print(coroutine.wrap(function() return
      coroutine.status(main), coroutine.resume(main) end)())']] },
  { "the main thread cannot be closed",
    [[lua -e 'print(pcall(coroutine.close, coroutine.running()))']] },
  { "a dead coroutine", [[lua -e 'local co = coroutine.wrap(function() end) co() co()']] },
  { "a generator",
    [[lua -e 'for x in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do
      io.write(x, " ") end print()']] },
  { "yield through pcall",
    [[lua -e 'local co = coroutine.wrap(function() print(pcall(function()
      print(coroutine.yield(1)) error("e", 0) end)) return 2 end) print(co()) print(co("in"))']] },
  { "yield through a metamethod",
    [[lua -e 'local t = setmetatable({}, { __index = function(_, k) return coroutine.yield(k) end })
      local co = coroutine.wrap(function() return t.x end) print(co()) print(co(5))']] },
  { "yield through an iterator",
    [[lua -e 'local co = coroutine.wrap(function() for x in coroutine.yield do print(x) end
      return "end" end) co() print(co(1)) print(co())']] },
  { "yield in sort",
    [[lua -e 'print(coroutine.wrap(function() return pcall(table.sort, { 1, 2 }, function()
      coroutine.yield() end) end)())']] },
  { "yield in gsub",
    [[lua -e 'coroutine.wrap(function() ("x"):gsub(".", function() coroutine.yield() end)
      end)()']] },
  { "yield in a module",
    [[echo 'coroutine.yield(1)' >yielding.lua;
      lua -e 'print(coroutine.resume(coroutine.create(function() require "yielding" end)))']] },
  { "close runs pending to-be-closed variables",
    [[lua -e 'local co = coroutine.create(function() local x <close> = setmetatable({}, { __close =
      function(_, e) print("closed", e) end }) coroutine.yield() end) coroutine.resume(co)
      print(coroutine.close(co), coroutine.status(co))']] },
  { "close tells of an error",
    [[lua -e 'local co = coroutine.create(function() local x <close> = setmetatable({}, { __close =
      function() error("closing", 0) end }) coroutine.yield() end) coroutine.resume(co)
      print(coroutine.close(co))']] },
  { "close of a coroutine that failed",
    [[lua -e 'local co = coroutine.create(error) coroutine.resume(co, "e")
      print(coroutine.close(co)) print(coroutine.close(co))']] },
  { "close of a running coroutine",
    [[lua -e 'coroutine.wrap(function() coroutine.close(coroutine.running()) end)()']] },
  { "an object raised through wrap and caught",
    [[lua -e 'local e = {} print(select(2, pcall(coroutine.wrap(error), e)) == e)']] },
  { "a hundred thousand coroutines",
    [[lua -e 'local t = {} for i = 1, 1e5 do t[i] = coroutine.wrap(function() coroutine.yield(i)
      end) t[i]() end print(#t)']] },
  { "coroutine.close as the last thing",
    [[lua -e 'local co = coroutine.create(function() end) print(coroutine.close(co),
      coroutine.status(co))']] },
  { "hooks belong to coroutines",
    [[lua -e 'local n = 0 debug.sethook(function() n = n + 1 end, "l") local co =
      coroutine.create(function() end) print(debug.gethook(co) ~= nil) debug.sethook()
      print(debug.gethook(co))']] },
  { "os.exit inside a coroutine",
    [[lua -e 'coroutine.wrap(function() io.write("bye") os.exit(5) end)()']] },
  { "os.exit that closes, inside a coroutine",
    [[lua -e 'local x <close> = setmetatable({}, { __close = function() print("closed") end })
      coroutine.wrap(function() os.exit(5, true) end)()']] },
}
