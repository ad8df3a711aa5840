import Glibc

/// The limits that control groups set on this process: the smallest of its own group's and of all parents'.
///
/// Reads `/proc/self/cgroup` (which groups), `/proc/self/mountinfo` (where they are mounted) and the groups'
/// files, of version 2 and version 1, hybrid systems included. What cannot be read sets no limit.
package struct ControlGroup {
  /// A folder that stands for `/`.
  private let fileRoot: String
  /// The folders of the process's own groups, each with its parents up to the mount point, by version and
  /// controller (`""` for version 2).
  private let groups: [(controllers: [Substring], folders: [String])]

  package init(fileRoot: String = "") {
    self.fileRoot = fileRoot
    let mounts = Self.mounts(readTextFile(fileRoot + "/proc/self/mountinfo") ?? "")
    let memberships = readTextFile(fileRoot + "/proc/self/cgroup") ?? ""
    groups = memberships.split(separator: "\n").compactMap { line in
      // hierarchy : controllers, separated by commas : path
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return nil }
      let controllers = fields[1].split(separator: ",", omittingEmptySubsequences: false)
      let mount = mounts.first { $0.controllers.contains { controllers.contains($0) } }
      guard let mount else { return nil }
      return (controllers, Self.folders(of: fields[2], in: mount))
    }
  }

  /// Processors' worth of time per unit of time, such as 1.5; nil without a limit.
  package var processorQuota: Double? {
    let limits =
      folders(controller: "").compactMap { folder -> Double? in
        guard let fields = read(folder, "cpu.max")?.split(separator: " "), fields.count == 2 else { return nil }
        return Self.quotient(fields[0], fields[1])
      }
      + folders(controller: "cpu").compactMap { folder -> Double? in
        guard let quota = read(folder, "cpu.cfs_quota_us"), let period = read(folder, "cpu.cfs_period_us") else {
          return nil
        }
        return Self.quotient(quota, period)
      }
    return limits.min()
  }

  /// The most memory that this process and those that share its groups may use, in bytes; nil without a limit.
  package var memoryLimitBytes: Int? {
    let limits =
      folders(controller: "").compactMap { read($0, "memory.max").flatMap { Int($0) } }
      + folders(controller: "memory").compactMap { read($0, "memory.limit_in_bytes").flatMap { Int($0) } }
    return limits.min()
  }

  /// `quota / period`; nil for "max", for -1 (no limit) and for what is no number.
  private static func quotient(_ quota: some StringProtocol, _ period: some StringProtocol) -> Double? {
    guard let quota = Int(quota), let period = Int(period), quota > 0, period > 0 else { return nil }
    return Double(quota) / Double(period)
  }

  private func folders(controller: String) -> [String] {
    groups.first { $0.controllers.contains { $0 == controller } }?.folders ?? []
  }

  /// The first line of a file of a group.
  private func read(_ folder: String, _ name: String) -> Substring? {
    readTextFile(fileRoot + folder + "/" + name)?.split(separator: "\n").first
  }

  private struct Mount {
    /// As in `/proc/self/cgroup`: `[""]` for version 2, among others the controllers for version 1.
    let controllers: [Substring]
    /// The group that the mount point shows.
    let root: Substring
    let point: Substring
  }

  /// The control-group mounts in the text of `mountinfo`:
  /// `id parent device root mountpoint options [tags] - type source superoptions`.
  private static func mounts(_ mountinfo: String) -> [Mount] {
    let mounts = mountinfo.split(separator: "\n").compactMap { line -> Mount? in
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
      switch fields[dash + 1] {
      case "cgroup2": return Mount(controllers: [""], root: fields[3], point: fields[4])
      case "cgroup":
        return Mount(controllers: fields[dash + 3].split(separator: ","), root: fields[3], point: fields[4])
      default: return nil
      }
    }
    return mounts.isEmpty ? [Mount(controllers: [""], root: "/", point: "/sys/fs/cgroup")] : mounts
  }

  /// The folder of group `path` and of its parents, up to the mount point. A path that lies outside what is
  /// mounted (as inside some containers) leaves the mount point alone.
  private static func folders(of path: Substring, in mount: Mount) -> [String] {
    let rootParts = mount.root.split(separator: "/")
    let pathParts = path.split(separator: "/")
    var folders = [String(mount.point)]
    guard pathParts.starts(with: rootParts), !pathParts.contains("..") else { return folders }
    for part in pathParts.dropFirst(rootParts.count) { folders.append(folders[folders.count - 1] + "/" + part) }
    return folders
  }
}

/// The text of a file of unknown size, as those of the kernel are; nil if it cannot be read.
private func readTextFile(_ path: String) -> String? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var bytes: [UInt8] = []
  var isComplete = false
  while !isComplete {
    let length = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { block in
      let length = read(file, block.baseAddress, block.count)
      if length > 0 { bytes.append(contentsOf: block[..<length]) }
      return length
    }
    if length < 0 && errno != EINTR { return nil }
    isComplete = length == 0
  }
  return String(decoding: bytes, as: UTF8.self)
}
