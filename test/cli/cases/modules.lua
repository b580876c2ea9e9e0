-- require and package, with modules in Lua and in C.
return {
  { "package.path and package.cpath",
    [[lua -e 'print(package.path) print(package.cpath) print(package.config)']] },
  { "a module gets its name and path",
    [[lua -e 'print(select(2, require "answer")) print(require "nested.leaf")']] },
  { "a module is loaded once",
    [[lua -e 'print(require("answer") == require("answer"), select("#", require("answer")))']] },
  { "a module that requires itself",
    [[lua -e 'require "circular"' 2>&1 | grep ^circular | sort -u]] },
  { "package.preload",
    [[lua -e 'package.preload.early = function(...) print(...) return "early" end
      print(require "early")']] },
  { "package.searchpath",
    [[lua -e 'print(package.searchpath("nested.leaf", package.path))
      print(package.searchpath("x.y", "./?.a;./?.b"))
      print(package.searchpath("a-b", "?", "-", "+"))']] },
  { "a searcher added by the script",
    [[lua -e 'table.insert(package.searchers, 2, function(n) if n == "virtual" then return
      function(...) return { ... } end, "extra" end return "\n\tno virtual" end)
      print(table.unpack((require "virtual"))) require "missing"']] },
  { "package.path that is no string",
    [[lua -e 'package.path = nil require "answer"']], stderr = "messages" },
  { "package.searchers that is no table", [[lua -e 'package.searchers = nil require "answer"']] },
  { "package.loaded emptied",
    [[lua -e 'package.loaded.string = nil
      print(pcall(require, "string") == false, ("x"):rep(2))']] },
  { "a module that is removed and loaded again",
    [[lua -e 'require "answer" package.loaded.answer = nil require "answer"']] },
  { "LuaFileSystem",
    [[lua -e 'local lfs = require "lfs"
      print(lfs._VERSION, lfs.attributes("args.lua", "mode"), lfs.attributes("nested").mode)
      local t = {} for n in lfs.dir("nested") do t[#t + 1] = n end table.sort(t)
      print(table.concat(t, " "))']] },
  { "lpeg",
    [[lua -e 'local lpeg = require "lpeg"
      print(lpeg.version(), lpeg.match(lpeg.Ct((lpeg.C(lpeg.R("az")^1) * lpeg.P(" ")^0)^1),
      "two words")[2])']] },
  { "lpeg's re", [[lua -e 'print(require("re").match("key=value", "{%w+} [=] {%w+}"))']] },
  { "cjson",
    [[lua -e 'local json = require "cjson"
      print(json.encode { 1, "two", json.null, { three = 3.5 } },
      json.decode("[1, {\"a\": null}]")[2].a == json.null)']] },
  { "cjson.safe", [[lua -e 'print(require("cjson.safe").decode("{"))']] },
  { "cjson raises", [[lua -e 'require("cjson").decode("{")']] },
  { "LuaSocket's mime",
    [[lua -e 'local mime = require "mime.core"
      print(mime._VERSION, mime.b64("hello world"), mime.unb64("aGVsbG8="))']] },
  { "LuaSocket's core",
    [[lua -e 'local core = require "socket.core" print(core._VERSION, type(core.gettime()))']] },
  { "LuaSocket's core over the loopback",
    [[lua -e 'local core = require "socket.core" local s = core.tcp4()
      assert(s:bind("127.0.0.1", 0)) assert(s:listen(1)) local _, port = s:getsockname()
      local c = core.tcp4() assert(c:connect("127.0.0.1", port)) local p = s:accept()
      p:send("over the wire\n") print(c:receive()) p:close() print(c:receive())']] },
  { "ltn12 and mime",
    [[lua -e 'local ltn12, mime = require "ltn12", require "mime" local t = {}
      ltn12.pump.all(ltn12.source.chain(ltn12.source.string("text"), mime.encode("base64")),
      (ltn12.sink.table(t))) print(table.concat(t))']] },
  { "argparse",
    [[lua -e 'local p = require("argparse")("name") p:argument("input") p:option("-o --output")
      local r = p:parse { "in", "-o", "out" } print(r.input, r.output)']] },
  { "package.loadlib", [[lua -e 'print(package.loadlib("./missing.so", "luaopen_missing"))']] },
  { "package.loadlib of a module",
    [[lua -e 'local path = package.searchpath("lfs", package.cpath)
      print(type(package.loadlib(path, "luaopen_lfs")))
      print(package.loadlib(path, "luaopen_other")) print(package.loadlib(path, "*"))']] },
  { "a C module that is no library", [[echo text >bad.so; lua -e 'print(pcall(require, "bad"))']] },
}
