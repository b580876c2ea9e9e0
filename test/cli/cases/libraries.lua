-- The language and its standard libraries give the same values.
local function values(title, expressions)
  return { title, "lua -e 'print(" .. expressions .. ")'" }
end

return {
  { "numbers", [[lua numbers.lua]] },
  { "texts", [[lua texts.lua]] },
  { "the language", [[lua language.lua]] },
  { "hooks", [[lua hooks.lua]] },
  { "the globals",
    [[lua -e 'local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t)
      print(table.concat(t, " "))']] },
  { "the functions of every library",
    [[lua -e 'for _, l in ipairs { "coroutine", "debug", "io", "math", "os", "string", "table",
      "utf8", "package" } do local t = {} for k in pairs(_G[l]) do t[#t + 1] = k end table.sort(t)
      print(l, table.concat(t, " ")) end']] },
  { "the same functions in package.loaded",
    [[lua -e 'for k, v in pairs(_G) do if type(v) == "table" and k ~= "arg" then
      assert(package.loaded[k] == v, k) end end print("same")']] },
  { "print is the original",
    [[lua -e 'local i = debug.getinfo(print, "S") print(i.what, i.short_src)']] },
  { "print calls __tostring and __name",
    [[lua -e 'print(setmetatable({}, { __tostring = function() return "t"
      end }), (tostring(setmetatable({}, { __name = "N" })):gsub("0x%x+", "")))']] },
  { "print of a __tostring that returns no string",
    [[lua -e 'print(setmetatable({}, { __tostring = function() return 1 end }))']] },
  { "globals can be replaced",
    [[lua -e 'local real = print print = function(...) real("mine", ...) end' -e 'print(1)']] },
  { "_G with a metatable",
    [[lua -e 'setmetatable(_G, { __index = function(_, n) return "global " .. n end, __newindex =
      function(_, n) error("no new " .. n, 2) end })' -e 'print(x)' -e 'y = 1']] },
  { "string metatable",
    [[lua -e 'getmetatable("").__add = function(a, b) return a .. b end print("a" + "b")']] },
  values("integer division", "7 // 2, -7 // 2, 7 // 2.0, -7 % 2, 2^53 // 1"),
  values("hexadecimal floats",
    [[("%a"):format(1), ("%a"):format(-0.1), ("%.3a"):format(1/3), 0x1.8p1]]),
  values("large integers as text",
    "math.maxinteger, math.mininteger, 9223372036854775808, -9223372036854775808"),
  values("floats as text", "1e15, 1e14, 123456789012345.0, 0.1 + 0.2, 1e308 * 10, -(0/0) ~= 0/0"),
  values("utf8",
    [[utf8.char(228, 8364), #utf8.char(0x7FFFFFFF), utf8.len("\u{D800}", 1, -1, true),
      utf8.len("\u{D800}")]]),
  values("_VERSION", "_VERSION"),
  values("random with a seed",
    [[(function() math.randomseed(7) return math.random(1000), math.random(1000) end)()]]),
  values("collectgarbage starts as in lua",
    [[collectgarbage("isrunning"), collectgarbage("incremental")]]),
  values("os.setlocale at the start",
    [[os.setlocale(), os.setlocale(nil, "ctype"), os.setlocale(nil, "numeric")]]),
  { "the locale of the user is not taken over",
    [[LC_ALL=C.UTF-8 LANG=C.UTF-8 lua -e 'print(os.setlocale(), ("é"):upper(),
      ("é"):match("%a"))']] },
  { "string.format keeps to the locale that was set",
    [[lua -e 'print(os.setlocale("C.UTF-8"), ("%.1f"):format(1.5), tonumber("1.5"))']] },
  { "loadfile and its environment",
    [[lua -e 'print(loadfile("missing.lua")) print(loadfile("malformed.lua")) local env = { print =
      print, select = select, arg = {}, pairs = pairs, table = table, ipairs = ipairs }
      loadfile("args.lua", "t", env)(1, 2)']] },
  { "loadfile of stdin", [[lua -e 'print(loadfile()("x"))']], stdin = "return 'from stdin', ..." },
  { "dofile of stdin", [[lua -e 'print(dofile())']], stdin = "return 'from stdin', ..." },
  { "debug.debug reads stdin",
    [[lua -e 'debug.debug()
      print("after")']], stdin = "print('inside')\nx = 1 error('e')\ncont\nnot read\n" },
}
