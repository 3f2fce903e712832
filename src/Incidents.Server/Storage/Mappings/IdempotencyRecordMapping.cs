using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class IdempotencyRecordMapping : IEntityTypeConfiguration<IdempotencyRecord>
{
    public void Configure(EntityTypeBuilder<IdempotencyRecord> builder)
    {
        builder.ToTable("idempotency_records");
        builder.HasKey(r => new { r.Caller, r.Endpoint, r.Key });
        builder.Property(r => r.Key).HasMaxLength(255);
        builder.Property(r => r.Headers).HasColumnType("jsonb");
        builder.HasIndex(r => r.ExpiresAt);
    }
}
