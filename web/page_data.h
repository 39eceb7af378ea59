/* page_data.h - the table that web/embed.py makes of web/dist/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_PAGE_DATA_H
#define CT_PAGE_DATA_H

#include "web/page.h"

extern const ct_page_file ct_page_data[];
extern const size_t ct_page_data_n;

#endif
