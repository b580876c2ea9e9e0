-- Stacks, patterns and memory driven to their ends: the message, and that the program survives it.
-- The C stack of a fiber is smaller than a process's, so these also find fibers that would crash.
local survive = [[ print("survived")']]

local function caught(title, setup, call)
  local report = " print(pcall(" .. call .. ")) collectgarbage()"
  return { title, "lua -e '" .. setup .. report .. survive }
end

return {
  { "Lua recursion without end", [[lua -e 'local function f() return f() + 1 end f()']] },
  { "Lua recursion without end in a script",
    [[echo 'function f(x) local y = x; return 1 + f(y) end
      print(f(1))' >recursion.lua; lua recursion.lua]] },
  { "Lua recursion is caught",
    [[lua -e 'local function f() return f() + 1 end local ok, e = pcall(f)
      print(ok, e:match("^.-overflow"))]] .. survive },
  { "Lua recursion in a coroutine is caught",
    [[lua -e 'local function f() return f() + 1 end local ok, e =
      coroutine.resume(coroutine.create(f)) print(ok, e:match("^.-overflow"))]] .. survive },
  { "tail calls do not overflow",
    [[lua -e 'local function f(n) if n == 0 then return "done" end return f(n - 1) end
      print(f(1e6))']] },
  { "recursion in a message handler",
    [[lua -e 'local function h() return h() + 1 end print(xpcall(error, h))]] .. survive },
  { "a message handler that always raises",
    [[lua -e 'print(xpcall(error, function() error("again") end))]] .. survive },
  { "an overflow inside a message handler",
    [[lua -e 'local function f() return f() + 1 end local function h(m) return pcall(f) end
      print(xpcall(f, h))]] .. survive },
  caught("nested pcall",
    [[local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end]], "f"),
  { "nested pcall, uncaught",
    [[lua -e 'local function f() local ok, e = pcall(f) error(e, 0)
      end f()']], stderr = "messages" },
  caught("nested xpcall",
    [[local function f() local ok, e = xpcall(f, function(m) return m end) error(e, 0) end]], "f"),
  caught("nested gsub callbacks", [[local function f(s) return (s:gsub(".", f)) end]], [[f, "x"]]),
  { "nested gsub callbacks, uncaught",
    [[lua -e 'local function f(s) return (s:gsub(".", f)) end f("x")']] },
  { "nested gsub callbacks in a coroutine",
    [[lua -e 'local function f(s) return (s:gsub(".", f)) end
      print(coroutine.resume(coroutine.create(f), "x"))]] .. survive },
  caught("nested gsub with large captures",
    [[local s = ("x"):rep(3000) local function f(c) return (s:gsub("^(.*)$", f)) end]], [[f, "x"]]),
  caught("nested sort comparators",
    [[local function f() table.sort({ 1, 2, 3 }, f) return true end]], "f"),
  caught("nested tostring",
    [[local t t = setmetatable({}, { __tostring = function() return tostring(t)
      end })]], "tostring, t"),
  caught("nested string.format",
    [[local t t = setmetatable({}, { __tostring = function() return ("%s %99.99f"):format(t, 1)
      end })]], "tostring, t"),
  caught("nested table.concat through __index",
    [[local t t = setmetatable({}, { __len = function() return 1 end, __index = function()
      return table.concat(t) end })]], "table.concat, t"),
  caught("nested __index functions",
    [[local t t = setmetatable({}, { __index = function(_, k) return t[k]
      end })]], "function() return t.x end"),
  { "nested __index functions, uncaught",
    [[lua -e 'local t t = setmetatable({}, { __index = function(_, k) return t[k] end })
      return t.x']] },
  caught("a chain of __index tables too long",
    [[local t = {} for i = 1, 3000 do t = setmetatable({}, { __index = t })
      end]], "function() return t.x end"),
  caught("a loop of __index tables",
    [[local t = {} setmetatable(t, t) t.__index = t]], "function() return t.x end"),
  caught("a loop of __newindex tables",
    [[local t = {} setmetatable(t, t) t.__newindex = t]], "function() t.x = 1 end"),
  caught("nested __newindex functions",
    [[local t t = setmetatable({}, { __newindex = function() t.x = 1
      end })]], "function() t.x = 1 end"),
  caught("nested __eq",
    [[local m = {} local a, b = setmetatable({}, m), setmetatable({}, m) m.__eq = function()
      return a == b end]], "function() return a == b end"),
  caught("nested __concat",
    [[local t t = setmetatable({}, { __concat = function(a, b) return t .. t
      end })]], "function() return t .. t end"),
  caught("nested __call",
    [[local t = setmetatable({}, { __call = function(self) return (self()) end })]], "t"),
  caught("nested __close",
    [[local m = {} m.__close = function() local x <close> = setmetatable({}, m)
      end]], "function() local x <close> = setmetatable({}, m) end"),
  caught("nested load readers", [[local function f() return load(f) and nil end]], "f"),
  caught("nested iterators", [[local function f() for x in f do end end]], "f"),
  caught("nested dofile",
    [[io.open("again.lua",
      "w"):write([=[return (dofile("again.lua"))]=]):close()]], [[dofile, "again.lua"]]),
  caught("nested require",
    [[package.searchers = { function(n) return function() return (require(n .. "x")) end
      end }]], [[require, "m"]]),
  caught("nested coroutines",
    [[local function f() local ok, e = coroutine.resume(coroutine.create(f)) error(e, 0)
      end]], "f"),
  { "nested coroutine.wrap",
    [[lua -e 'local function f() return (coroutine.wrap(f)()) end local ok, e = pcall(f)
      print(ok, e:match("[^:]*$"))]] .. survive },
  caught("nested debug.sethook",
    [[local function h() local function g() end g() h()
      end]], [[function() debug.sethook(h, "c") print() end]]),
  { "deep pcall then yield",
    [[lua -e 'local function f(n) if n == 0 then return coroutine.yield("deep") end
      return select(2, pcall(f, n - 1)) end local co = coroutine.wrap(f) print(co(150))
      print(co("back"))']] },
  caught("a pattern too complex",
    [[local s = ("x"):rep(300000)]], [[string.find, s, (".-"):rep(300) .. "y"]]),
  caught("a pattern that recurses by captures",
    [[local s = ("a"):rep(100)]], [[string.find, s, ("(a"):rep(33)]]),
  caught("a pattern of optional items",
    [[local s = ("a"):rep(5000)]], [[string.find, s, ("a?"):rep(5000) .. "b"]]),
  caught("parentheses nested too deep",
    "", [[load, "return " .. ("("):rep(300) .. "1" .. (")"):rep(300)]]),
  caught("parentheses nested deep enough",
    [[local f = load("return " .. ("("):rep(190) .. "1" .. (")"):rep(190))]], "f"),
  caught("table constructors nested too deep",
    "", [[load, "return " .. ("{"):rep(300) .. ("}"):rep(300)]]),
  caught("functions nested too deep",
    "", [[load, ("return function() "):rep(300) .. ("end "):rep(300)]]),
  caught("blocks nested too deep", "", [[load, ("do "):rep(300) .. ("end "):rep(300)]]),
  caught("unary operators nested too deep", "", [[load, "return " .. ("not "):rep(300) .. "1"]]),
  caught("a long concatenation", "", [[load, "return " .. ("a .. "):rep(300) .. "a"]]),
  caught("string.rep beyond the largest size", "", [[string.rep, "x", 1 << 62]]),
  caught("string.rep whose size overflows", "", [[string.rep, ("x"):rep(1000), math.maxinteger]]),
  caught("unpack too many", "", [[table.unpack, {}, 1, 1e7]]),
  caught("unpack beyond integers", "", [[table.unpack, {}, math.mininteger, math.maxinteger]]),
  caught("a string of too many bytes to push",
    [[local s = ("x"):rep(2e6)]], [[string.byte, s, 1, -1]]),
  caught("too many captures", "", [[string.find, "a", ("()"):rep(33)]]),
  caught("concat of a missing value", "", [[table.concat, { 1, {}, 3 }]]),
  caught("a table size too large", "", [[table.move, {}, 1, math.maxinteger, 2]]),
  { "not enough memory", [[ulimit -v 1000000; lua -e 'local s = ("x"):rep(2000000000)']] },
  { "not enough memory, caught",
    [[ulimit -v 1000000; lua -e 'print(pcall(string.rep, "x", 2000000000))]] .. survive },
  { "not enough memory in steps",
    [[ulimit -v 1000000; lua -e 'local t = {} print(pcall(function()
      for i = 1, 1e9 do t[i] = ("x"):rep(1e7 + i) end end)) t = nil]] .. survive },
  { "not enough memory in -i",
    [[ulimit -v 1000000; lua -i]], stdin = "x = ('x'):rep(2000000000)\nprint('on')\n" },
  caught("JSON nested too deep to read",
    [[local json = require "cjson"]], [[json.decode, ("["):rep(1001) .. ("]"):rep(1001)]]),
  caught("JSON nested as deep as it may",
    [[local json = require "cjson" local t = json.decode(("["):rep(1000) .. ("]"):rep(1000))
      local n = 0 while t do t = t[1] n = n + 1 end]], "print, n"),
  caught("JSON nested too deep to write",
    [[local json = require "cjson" local t = {} for i = 1, 1001 do t = { t }
      end]], "json.encode, t"),
  caught("a grammar that recurses too deep",
    [[local lpeg = require "lpeg"
      local p = lpeg.P { "(" * lpeg.V(1) * ")" + "x"
      }]], [[lpeg.match, p, ("("):rep(500) .. "x" .. (")"):rep(500)]]),
  caught("a deep grammar of callbacks",
    [[local lpeg = require "lpeg" local p local function f(s, i) return (p:match("x"))
      end p = lpeg.Cmt("x", f)]], [[lpeg.match, p, "x"]]),
}
