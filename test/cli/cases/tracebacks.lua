-- Tracebacks: which functions they name and how.
local without_tail = [[(debug.traceback("m"):gsub("\n\t%[C%]: in %?", ""))]]

return {
  { "functions of every kind", [[lua frames.lua]] },
  { "an error in a coroutine", [[lua coroutine_error.lua]] },
  { "debug.traceback in the main chunk", [[lua -e 'print(]] .. without_tail .. [[)']] },
  { "debug.traceback in nested functions",
    [[lua -e 'local function f()
      print(]] .. without_tail .. [[) end local function g() f() end g()']] },
  { "debug.traceback at a level",
    [[lua -e 'local function f() print((debug.traceback("m", 2):gsub("\n\t%[C%]: in %?", "")))
      end f()']] },
  { "debug.traceback of no string",
    [[lua -e 'print(debug.traceback(12):match("^12\n") ~= nil,
      debug.traceback({}) == nil, type(debug.traceback({})))']] },
  { "traceback as a message handler",
    [[lua -e 'local ok, e = xpcall(function() local x = nil + 1 end, debug.traceback)
      print((e:gsub("\n\t%[C%]: in %?", "")))']] },
  { "a deep traceback is shortened",
    [[lua -e 'local function f(n) if n == 0 then error("deep") end f(n - 1) return n
      end f(100)']] },
  { "tail calls are marked",
    [[lua -e 'local function f() error("tail") end local function g() return f() end g()']] },
  { "a metamethod",
    [[lua -e 'local t = setmetatable({}, { __add = function() error("m") end })
      local x = t + 1']] },
  { "an iterator", [[lua -e 'for x in function() error("iterator") end do end']] },
  { "a comparator", [[lua -e 'table.sort({ 1, 2 }, function() error("comparator") end)']] },
  { "a gsub callback", [[lua -e '("x"):gsub(".", function() error("callback") end)']] },
  { "a __gc at the end of the program",
    [[lua -W -e 'setmetatable({}, { __gc = function() error("in gc") end })']] },
  { "a __gc called by the collector",
    [[lua -W -e 'setmetatable({}, { __gc = function() error("in gc") end }) collectgarbage()
      print("on")']] },
  { "a __close",
    [[lua -e 'local x <close> = setmetatable({}, { __close = function() error("in close")
      end })']] },
  { "a __close after an error", [[lua close_errors.lua]] },
  { "a hook", [[lua hooks.lua]] },
  { "the caller of a C function", [[lua -e 'local function f() string.rep() end f()']] },
  { "a global function by its name", [[lua -e 'function named() error("n") end named()']] },
  { "a library function by its full name",
    [[lua -e 'function string.mine() error("n") end string.mine()']] },
  { "a method by its name", [[lua -e 'local o = {} function o:m() error("n") end o:m()']] },
  { "a function in a module",
    [[lua -e 'package.loaded.mod = { f = function() error("n") end } package.loaded.mod.f()']] },
  { "a coroutine's error is not its resumer's",
    [[lua -e 'local co = coroutine.create(error)
      print(coroutine.resume(co, "x")) error("main")']] },
  { "an error through coroutine.wrap gains a position",
    [[lua -e 'coroutine.wrap(function() error("inner") end)()']] },
  { "an error object through coroutine.wrap",
    [[lua -e 'coroutine.wrap(function() error({}) end)()']] },
  { "debug.getinfo of the main chunk",
    [[lua -e 'local i = debug.getinfo(1, "Slnt")
      print(i.what, i.short_src, i.source, i.currentline, i.name, i.namewhat, i.istailcall)']] },
  { "debug.getinfo of a script",
    [[echo 'local i = debug.getinfo(1, "SlL")
      print(i.what, i.short_src, i.source, i.currentline, next(i.activelines))' >info.lua;
      lua info.lua]] },
  { "debug.getinfo below the main chunk is C",
    [[lua -e 'print(debug.getinfo(2, "S").what, debug.getinfo(1000))']] },
  { "debug.getlocal in the main chunk",
    [[lua -e 'local a, b = 1, 2 print(debug.getlocal(1, 1)) print(debug.getlocal(1, 2))
      print(debug.getlocal(1, 9))']] },
}
