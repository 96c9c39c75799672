/** Commands for manual repairs, by package manager; each is appended to a remedy, with its own separator. */
type ByManager = Readonly<Record<string, string>>;

export const REPAIR: ByManager = {
  apt: ' (`dpkg --configure -a` and `apt-get -f install`)',
  dnf: ' (`dnf check` and `dnf remove --duplicates`)',
  zypper: ' (`zypper verify`, and `rpm -e --nodeps NAME-VERSION` for the older of two versions)',
  apk: ' (`apk fix`)',
};
export const UNHOLD: ByManager = {
  apt: ' (`apt-mark unhold NAME`)',
  dnf: ' (`dnf versionlock delete NAME`)',
  zypper: ' (`zypper removelock NAME`)',
};
export const AUTOREMOVE: ByManager = {
  apt: ' (`apt-get autoremove --purge`)',
  dnf: ' (`dnf remove --oldinstallonly`)',
  zypper: ' (`zypper purge-kernels`)',
};
export const CLEAN: ByManager = {
  apt: ', for example with `apt-get clean`',
  dnf: ', for example with `dnf clean all`',
  zypper: ', for example with `zypper clean --all`',
  apk: ', for example with `apk cache clean`',
};
